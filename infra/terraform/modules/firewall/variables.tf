variable "name" {
  description = "Name of the web ACL."
  type        = string
}

variable "load_balancer_arn" {
  description = "What it protects."
  type        = string
}

variable "requests_per_5_minutes" {
  description = "Requests of one address in five minutes, beyond which it gets 429."
  type        = number
}

variable "keep_logs_days" {
  description = "Days that blocked requests are kept."
  type        = number
}

variable "logs_key_arn" {
  description = "KMS key of the log group."
  type        = string
}
