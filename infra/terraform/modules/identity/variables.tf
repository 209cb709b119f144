variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "domain_prefix" {
  description = "Prefix of the log-in page's host; unique in the region."
  type        = string
}

variable "callback_urls" {
  description = "Addresses to which the log-in page may send people back; empty: no such page is used."
  type        = list(string)
}

variable "roles" {
  description = "What each role may do."
  type        = map(string)

  default = {
    reader      = "Asks, searches and reads"
    contributor = "Takes in, changes and deletes documents"
    analyst     = "Sees usage and traces, runs evaluations"
    admin       = "Manages keys, audit log and erasure of a tenant"
    operator    = "Manages tenants"
  }
}

variable "tenants" {
  description = "Slugs of tenants that have a group from the start."
  type        = set(string)
}

variable "deletion_protection" {
  description = "Refuse to delete the user pool."
  type        = bool
}
