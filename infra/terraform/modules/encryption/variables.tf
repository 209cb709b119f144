variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "deletion_window_days" {
  description = "Days in which the deletion of a key can be taken back."
  type        = number
}
