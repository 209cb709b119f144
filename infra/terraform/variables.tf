variable "environment" {
  description = "Name of the environment: dev, staging or production."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "production"], var.environment)
    error_message = "The environment is dev, staging or production."
  }
}

variable "region" {
  description = "Where everything is. Bedrock must offer the models there."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-\\d$", var.region))
    error_message = "A region is named like eu-central-1."
  }
}

variable "size" {
  description = "small, medium or large (sizes.tf)."
  type        = string

  validation {
    condition     = contains(["small", "medium", "large"], var.size)
    error_message = "The size is small, medium or large."
  }
}

variable "protected" {
  description = "Refuse to delete what holds data; otherwise `destroy` takes everything at once."
  type        = bool
  default     = true
}

# --- How it is reached ---------------------------------------------------------------------------------------

variable "domain_name" {
  description = "Name under which the service is reached, such as groundwork.example.com."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain_name))
    error_message = "A whole host name in lower case, without https://."
  }
}

variable "zone_id" {
  description = "Zone of Route 53 that holds the name. Without it, give certificate_arn and point the name at the load balancer yourself."
  type        = string
  default     = null
}

variable "certificate_arn" {
  description = "Certificate of the name, where there is no zone_id."
  type        = string
  default     = null
}

variable "client_cidrs" {
  description = "Addresses that may reach the service."
  type        = set(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.client_cidrs) > 0 && alltrue([for cidr in var.client_cidrs : can(cidrhost(cidr, 0))])
    error_message = "At least one range of addresses, such as 203.0.113.0/24."
  }
}

variable "network_cidr" {
  description = "Addresses of the network; a /20 or larger."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.network_cidr, 4, 15)) && tonumber(split("/", var.network_cidr)[1]) <= 20
    error_message = "A range of addresses of /20 or larger, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Letters of the three zones; some regions lack one of the first three."
  type        = list(string)
  default     = ["a", "b", "c"]

  validation {
    condition     = length(distinct(var.zones)) == 3 && alltrue([for letter in var.zones : can(regex("^[a-z]$", letter))])
    error_message = "Three different letters."
  }
}

variable "requests_per_5_minutes" {
  description = "Requests of one address in five minutes, beyond which the firewall answers 429. The service's own limits are per caller."
  type        = number
  default     = 3000

  validation {
    condition     = var.requests_per_5_minutes >= 10
    error_message = "The firewall counts from 10 on."
  }
}

# --- What runs ------------------------------------------------------------------------------------------------

variable "image_tag" {
  description = "Tag of the image to start with. Unset: everything is made, but nothing is started."
  type        = string
  default     = null
}

variable "cpu_architecture" {
  description = "What the image was built for. ARM64 costs a fifth less."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "ARM64 or X86_64."
  }
}

variable "chat_model" {
  description = "CHAT_MODEL: one model, or several separated by commas. Tasks may invoke just those of Bedrock that are named."
  type        = string
}

variable "embedding_model" {
  description = "EMBEDDING_MODEL."
  type        = string
}

variable "rerank_model" {
  description = "RERANK_MODEL, or none."
  type        = string
  default     = "none"
}

variable "guardrail" {
  description = "A guardrail of Bedrock: id and version."
  type        = object({ id = string, version = string })
  default     = null
}

variable "settings" {
  description = "More settings of API and workers, as .env.example names them; never secrets."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "Settings are named in capitals, as in .env.example."
  }

  validation {
    condition     = !anytrue([for name in keys(var.settings) : can(regex("(PASSWORD|PEPPER|SECRET|API_KEY|ENCRYPTION_KEY)$", name))])
    error_message = "What is secret must not stand in the state: name it in secret_settings."
  }
}

variable "secret_settings" {
  description = "More settings whose values are secrets: a secret is made for each, whose value is put in by hand."
  type        = map(string)
  default     = {}
}

variable "tracing" {
  description = "Whether a collector beside each task sends traces to X-Ray."
  type        = bool
  default     = false
}

variable "collector_image" {
  description = "Image of AWS's OpenTelemetry collector."
  type        = string
  default     = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
}

variable "cache" {
  description = "Whether there is a Valkey for caches that replicas share."
  type        = bool
  default     = false
}

variable "schedules" {
  description = "What is run when: cron or rate expression in UTC, and a command of the image."
  type        = map(object({ description = string, expression = string, command = list(string) }))

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : can(regex("^(cron|rate|at)\\(.+\\)$", schedule.expression))])
    error_message = "An expression of EventBridge, such as cron(0 2 * * ? *) or rate(1 hour)."
  }
}

# --- Data -----------------------------------------------------------------------------------------------------

variable "postgres_version" {
  description = "PostgreSQL's version: 16 or newer. Without a minor version, these follow by themselves."
  type        = string
  default     = "16"

  validation {
    condition     = can(regex("^\\d+(\\.\\d+)?$", var.postgres_version)) && tonumber(split(".", var.postgres_version)[0]) >= 16
    error_message = "PostgreSQL 16 or newer."
  }
}

variable "read_replica" {
  description = "Whether there is a replica for reading; unset: as the size says."
  type        = bool
  default     = null
}

variable "backup_days" {
  description = "Days that any point in time can be restored, and that daily snapshots are kept."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "Between 7 and 35 days."
  }
}

variable "keep_logs_days" {
  description = "Days that logs are kept; one of those that CloudWatch knows."
  type        = number
  default     = 90

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.keep_logs_days)
    error_message = "30, 60, 90, 120, 150, 180, 365, 400, 545 or 731 days."
  }
}

variable "encrypt_texts" {
  description = "Whether stored questions and answers are sealed by keys of each tenant that KMS wraps (FIELD_ENCRYPTION=kms)."
  type        = bool
  default     = true
}

variable "upload_origins" {
  description = "Origins whose pages may call the service and send files to the documents bucket (CORS_ORIGINS)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for origin in var.upload_origins : can(regex("^https://[^/,*]+$", origin))])
    error_message = "Whole origins, such as https://app.example.com."
  }
}

# --- Who may ---------------------------------------------------------------------------------------------------

variable "tenants" {
  description = "Slugs of tenants that have a group in Cognito from the start."
  type        = set(string)
  default     = ["default"]
}

variable "callback_urls" {
  description = "Addresses to which Cognito's log-in page may send people back."
  type        = list(string)
  default     = []
}

variable "github_repository" {
  description = "GitHub's repository that deploys, as owner/name; null: none does."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[\\w.-]+/[\\w.-]+$", var.github_repository))
    error_message = "A repository is named owner/name."
  }
}

variable "github_provider_arn" {
  description = "The account's OpenID Connect provider for GitHub, if another environment has made it."
  type        = string
  default     = null
}

# --- Watching ---------------------------------------------------------------------------------------------------

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = set(string)
  default     = []
}

variable "monthly_budget_usd" {
  description = "Money for a month, models included; null: none is watched."
  type        = number
  default     = null
}

variable "thresholds" {
  description = "Beyond what alarms go off; see docs/infrastructure.md."
  type = object({
    error_percent     = optional(number, 2)
    latency_p99_s     = optional(number, 30)
    queue_age_s       = optional(number, 900)
    replica_lag_s     = optional(number, 30)
    request_errors    = optional(number, 20)
    first_token_ms    = optional(number, 8000)
    low_groundedness  = optional(number, 0.2)
    evaluation_score  = optional(number, 0.7)
    cost_usd_per_hour = optional(number, 20)
  })
  default = {}
}

variable "service_metrics" {
  description = "Where the service's own metrics are found: namespace, dimensions, and names that differ from the alarms'."
  type = object({
    namespace  = optional(string, "Groundwork")
    dimensions = optional(map(string), {})
    names      = optional(map(string), {})
  })
  default = {}
}

variable "emulated" {
  description = "AWS is stood in for by moto's server: leave out what unsupported.tsv lists."
  type        = bool
  default     = false
}
