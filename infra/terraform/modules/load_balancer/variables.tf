variable "name" {
  description = "Prefix of all names."
  type        = string

  validation {
    condition     = length(var.name) <= 25
    error_message = "Names of load balancers and target groups have 32 characters at most."
  }
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets in at least two zones."
  type        = list(string)
}

variable "security_group_id" {
  description = "Who may connect."
  type        = string
}

variable "service_port" {
  description = "Port that tasks listen on."
  type        = number
}

variable "logs_bucket" {
  description = "Bucket for access logs."
  type        = string
}

variable "domain_name" {
  description = "Name under which the service is reached."
  type        = string
}

variable "zone_id" {
  description = "Zone of Route 53 that holds the name; null: the name and its certificate are kept elsewhere."
  type        = string
}

variable "certificate_arn" {
  description = "Certificate of the name, where there is no zone."
  type        = string
}

variable "deletion_protection" {
  description = "Refuse to delete it."
  type        = bool
}
