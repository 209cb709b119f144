variable "name" {
  description = "Prefix of all names."
  type        = string

  validation {
    condition     = length(var.name) <= 32
    error_message = "ElastiCache's names have 40 characters at most."
  }
}

variable "node_type" {
  description = "Processor and memory of a node, such as cache.t4g.small."
  type        = string
}

variable "nodes" {
  description = "Nodes; with two or more, one takes over when another is lost."
  type        = number
}

variable "subnet_ids" {
  description = "Subnets in at least two zones."
  type        = list(string)
}

variable "security_group_id" {
  description = "Who may connect."
  type        = string
}

variable "data_key_arn" {
  description = "KMS key of what is kept."
  type        = string
}
