variable "name" {
  description = "Name of the cluster, and prefix of all others."
  type        = string
}

variable "image" {
  description = "What runs, with its tag or digest."
  type        = string
}

variable "collector" {
  description = "Image of AWS's OpenTelemetry collector; null: none runs beside the tasks."
  type        = string
}

variable "started" {
  description = "Whether tasks are started; without an image in the registry they could not."
  type        = bool
}

variable "cpu_architecture" {
  description = "ARM64 or X86_64: what the image was built for."
  type        = string
}

variable "sizes" {
  description = "Units of processor (1024 are one) and MB of memory of each kind of task, and how many run."
  type = object({
    api       = object({ cpu = number, memory = number, min_tasks = number, max_tasks = number })
    worker    = object({ cpu = number, memory = number, min_tasks = number, max_tasks = number })
    migration = object({ cpu = number, memory = number })
  })
}

variable "settings" {
  description = "Settings of all tasks, of API and workers, and of workers. Values may be references to secrets, never secrets."
  type        = object({ all = map(string), serving = map(string), worker = map(string) })
}

variable "port" {
  description = "Port that tasks listen on."
  type        = number
}

variable "role_arns" {
  description = "Roles by kind: execution, api, worker, migration."
  type        = map(string)
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "security_group_id" {
  description = "What tasks may reach."
  type        = string
}

variable "target_groups" {
  description = "ARNs and suffixes by version: stable, canary."
  type        = map(object({ arn = string, arn_suffix = string }))
}

variable "load_balancer_suffix" {
  description = "The load balancer, as metrics have it."
  type        = string
}

variable "events_queue_name" {
  description = "Queue whose oldest message workers follow."
  type        = string
}

variable "queue_age_metric" {
  description = "Metric of how many seconds the oldest job has waited."
  type        = object({ namespace = string, name = string, dimensions = map(string) })
}

variable "queue_age_target_s" {
  description = "Seconds that work may wait before more workers start."
  type        = number
}

variable "requests_per_task" {
  description = "Requests a minute that one task of the API shall serve."
  type        = number
}

variable "spot_workers" {
  description = "Whether workers run on spare capacity, at about a third of the price, and may be taken away."
  type        = bool
}

variable "autoscaling" {
  description = "Whether the number of tasks follows the load."
  type        = bool
}

variable "keep_logs_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "logs_key_arn" {
  description = "KMS key of the log groups."
  type        = string
}
