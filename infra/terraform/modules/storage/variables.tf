variable "name" {
  description = "Prefix of all names; the account's number follows, since names are unique among all of S3."
  type        = string
}

variable "data_key_arn" {
  description = "KMS key of documents and artifacts."
  type        = string
}

variable "upload_origins" {
  description = "Origins whose pages may send files straight to the documents bucket."
  type        = list(string)
}

variable "keep_versions_days" {
  description = "Days that overwritten and deleted objects can be brought back."
  type        = number
}

variable "keep_logs_days" {
  description = "Days that access logs are kept."
  type        = number
}

variable "force_destroy" {
  description = "Whether `destroy` also deletes what the buckets hold."
  type        = bool
}
