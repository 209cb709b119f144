variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "cidr" {
  description = "Addresses of the network; a /20 or larger."
  type        = string
}

variable "zones" {
  description = "Letters of the three zones."
  type        = list(string)
}

variable "single_nat" {
  description = "One NAT gateway, and endpoints in one zone, in place of one per zone."
  type        = bool
}

variable "interface_endpoints" {
  description = "AWS services that are reached without leaving the network, by the last part of the endpoint's name."
  type        = set(string)
}

variable "client_cidrs" {
  description = "Addresses that may reach the load balancer."
  type        = set(string)
}

variable "service_port" {
  description = "Port that tasks listen on."
  type        = number
}

variable "logs_key_arn" {
  description = "KMS key of the log group."
  type        = string
}
