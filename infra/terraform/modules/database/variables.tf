variable "name" {
  description = "Name of the instance, and prefix of all others."
  type        = string
}

variable "engine_version" {
  description = "PostgreSQL's version: 16 or newer."
  type        = string
}

variable "instance_class" {
  description = "Processor and memory, such as db.r7g.large."
  type        = string
}

variable "storage_gb" {
  description = "Storage at the start; it grows up to four times that by itself."
  type        = number
}

variable "maintenance_work_mem_mb" {
  description = "Memory for building an index."
  type        = number
}

variable "multi_az" {
  description = "Whether a second instance stands by in another zone."
  type        = bool
}

variable "replica" {
  description = "Whether there is a replica for reading."
  type        = bool
}

variable "backup_days" {
  description = "Days that any point in time can be restored."
  type        = number
}

variable "deletion_protection" {
  description = "Refuse to delete it, and leave a last snapshot."
  type        = bool
}

variable "keep_logs_days" {
  description = "Days that PostgreSQL's log is kept."
  type        = number
}

variable "subnet_ids" {
  description = "Subnets in at least two zones."
  type        = list(string)
}

variable "security_group_id" {
  description = "Who may connect."
  type        = string
}

variable "data_key_arn" {
  description = "KMS key of storage, backups and the master password."
  type        = string
}

variable "logs_key_arn" {
  description = "KMS key of the logs."
  type        = string
}
