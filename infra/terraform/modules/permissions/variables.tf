variable "name" {
  description = "Prefix of all names, and of the log groups."
  type        = string
}

variable "repository_arn" {
  description = "Registry of the image."
  type        = string
}

variable "documents_bucket_arn" {
  description = "Bucket of documents."
  type        = string
}

variable "artifacts_bucket_arn" {
  description = "Bucket of reports and exports."
  type        = string
}

variable "events_queue_arn" {
  description = "Queue of the documents bucket's events."
  type        = string
}

variable "database_secret_arn" {
  description = "Secret of the database's login."
  type        = string
}

variable "secret_arns" {
  description = "Other secrets that settings refer to."
  type        = list(string)
}

variable "data_key_arn" {
  description = "KMS key of secrets, buckets and queues."
  type        = string
}

variable "fields_key_arn" {
  description = "KMS key that wraps data keys of stored texts; null: they are not encrypted by KMS."
  type        = string
}

variable "bedrock" {
  description = "What may be invoked (models and profiles), which profiles are looked up, and what else is used."
  type = object({
    invoked_arns  = list(string)
    profile_arns  = list(string)
    reranks       = bool
    guardrail_arn = optional(string)
  })
}

variable "detection_actions" {
  description = "Actions of Textract and Comprehend that settings ask for."
  type        = list(string)
}

variable "tracing" {
  description = "Whether traces go to X-Ray."
  type        = bool
}
