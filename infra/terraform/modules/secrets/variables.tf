variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "secrets" {
  description = "What each secret is for, by the name of the setting that it is the value of."
  type        = map(string)
}

variable "data_key_arn" {
  description = "KMS key of the secrets."
  type        = string
}

variable "recovery_days" {
  description = "Days in which a deletion can be taken back; 0 deletes at once."
  type        = number
}
