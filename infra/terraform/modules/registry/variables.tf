variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "key_arn" {
  description = "KMS key of the images."
  type        = string
}

variable "keep_images" {
  description = "Images that are kept."
  type        = number
  default     = 50
}

variable "force_delete" {
  description = "Whether `destroy` also deletes images."
  type        = bool
}
