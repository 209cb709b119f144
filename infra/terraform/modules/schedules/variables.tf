variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "schedules" {
  description = "What is run when: EventBridge's cron or rate expression, in UTC, and a command of the image."
  type        = map(object({ description = string, expression = string, command = list(string) }))
}

variable "enabled" {
  description = "Whether they run."
  type        = bool
}

variable "cluster_arn" {
  description = "Where tasks run."
  type        = string
}

variable "task_definition_arn" {
  description = "What is run; without a revision, the newest."
  type        = string
}

variable "task_role_arns" {
  description = "Roles of these tasks."
  type        = list(string)
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "security_group_id" {
  description = "What tasks may reach."
  type        = string
}

variable "data_key_arn" {
  description = "KMS key of schedules and failures."
  type        = string
}
