variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "data_key_arn" {
  description = "KMS key of the vault."
  type        = string
}

variable "database_arn" {
  description = "The database."
  type        = string
}

variable "keep_daily_days" {
  description = "Days that daily snapshots are kept; 7 at least."
  type        = number
}

variable "complete" {
  description = "Whether AWS itself is there, and not an emulator, which lacks what unsupported.tsv lists."
  type        = bool
}
