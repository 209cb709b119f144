variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "environment" {
  description = "Whose cost the budget counts, by the tag Environment."
  type        = string
}

variable "alarm_emails" {
  description = "Who is told; each address is asked to confirm."
  type        = set(string)
}

variable "actions_enabled" {
  description = "Whether alarms tell anybody."
  type        = bool
}

variable "monthly_budget_usd" {
  description = "Money for a month; null: none is watched."
  type        = number
}

variable "dashboards" {
  description = "Bodies of dashboards in CloudWatch's JSON, by name."
  type        = map(string)
}

variable "thresholds" {
  description = "Beyond what alarms go off."
  type = object({
    error_percent          = number
    latency_p99_s          = number
    queue_age_s            = number
    replica_lag_s          = number
    database_memory_bytes  = number
    database_storage_bytes = number
    database_connections   = number
    request_errors         = number
    first_token_ms         = number
    low_groundedness       = number
    evaluation_score       = number
    cost_usd_per_hour      = number
  })
}

variable "service_metrics" {
  description = "Where the service's own metrics are: namespace, dimensions, and names where they differ from the alarms'."
  type        = object({ namespace = string, dimensions = map(string), names = map(string) })
}

variable "load_balancer_suffix" {
  description = "The load balancer, as metrics have it."
  type        = string
}

variable "target_group_suffixes" {
  description = "Target groups, as metrics have them, by version."
  type        = map(string)
}

variable "cluster_name" {
  description = "The cluster."
  type        = string
}

variable "database_identifier" {
  description = "The database."
  type        = string
}

variable "replica_identifier" {
  description = "Its replica; null: there is none."
  type        = string
}

variable "events_queue_name" {
  description = "Queue of events."
  type        = string
}

variable "dead_letters_name" {
  description = "Queue of what could not be handled."
  type        = string
}

variable "failed_schedules_name" {
  description = "Queue of schedules that failed."
  type        = string
}

variable "log_groups" {
  description = "Names by kind of task."
  type        = map(string)
}

variable "logs_key_arn" {
  description = "KMS key of the topic."
  type        = string
}

variable "complete" {
  description = "Whether AWS itself is there, and not an emulator, which lacks what unsupported.tsv lists."
  type        = bool
}
