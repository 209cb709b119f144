variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "data_key_arn" {
  description = "KMS key of the messages."
  type        = string
}

variable "documents_bucket" {
  description = "The bucket whose events come."
  type        = object({ name = string, arn = string })
}

variable "complete" {
  description = "Whether AWS itself is there, and not an emulator, which lacks what unsupported.tsv lists."
  type        = bool
}
