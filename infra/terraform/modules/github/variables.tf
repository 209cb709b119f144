variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "environment" {
  description = "GitHub's environment whose jobs may take the role."
  type        = string
}

variable "repository" {
  description = "GitHub's repository, as owner/name."
  type        = string
}

variable "provider_arn" {
  description = "The account's provider for GitHub, of which there can be only one; null makes it."
  type        = string
}

variable "image_repository_arn" {
  description = "Where images are pushed."
  type        = string
}

variable "cluster" {
  description = "Where tasks run."
  type        = object({ name = string, arn = string })
}

variable "service_arns" {
  description = "Services that a deployment updates."
  type        = list(string)
}

variable "migration_task_arn" {
  description = "Task definition of the migration, without a revision."
  type        = string
}

variable "migration_log_group" {
  description = "Log group of the migration."
  type        = string
}

variable "task_role_arns" {
  description = "Roles that tasks get."
  type        = list(string)
}

variable "listener_arn" {
  description = "Whose weights a deployment moves."
  type        = string
}

variable "alarms_topic_arn" {
  description = "Where notices of deployments go."
  type        = string
}

variable "logs_key_arn" {
  description = "KMS key of that topic."
  type        = string
}
