output "url" {
  description = "Where the service is reached."
  value       = "https://${var.domain_name}"
}

output "load_balancer_name" {
  description = "What the name must point to, where Route 53 doesn't hold it."
  value       = module.load_balancer.dns_name
}

output "egress_addresses" {
  description = "Addresses that requests of tasks come from, for allow lists elsewhere."
  value       = module.network.egress_addresses
}

output "registry" {
  description = "Where images are pushed."
  value       = module.registry.url
}

output "documents_bucket" {
  description = "What is put here is taken in."
  value       = module.storage.buckets["documents"].name
}

output "artifacts_bucket" {
  description = "Reports and exports."
  value       = module.storage.buckets["artifacts"].name
}

output "identity" {
  description = "For clients that log in: issuer and client id; and the user pool, for those who manage users."
  value = {
    issuer       = module.identity.issuer
    client_id    = module.identity.client_id
    user_pool_id = module.identity.user_pool_id
  }
}

output "database" {
  description = "Host of the database and of its replica, and the secret with its login."
  value = {
    address    = module.database.address
    replica    = module.database.replica == null ? null : module.database.replica.address
    secret_arn = module.database.secret_arn
  }
}

output "cache_address" {
  description = "Host of the cache; null without one."
  value       = one(module.cache[*].address)
}

output "secrets" {
  description = "Secrets whose values are to be put in by hand, by the setting they are the value of."
  value       = module.secrets.arns
}

output "deployment" {
  description = "What a deployment needs to know: the variable DEPLOYMENT of GitHub's environment."
  value = {
    role_arn         = one(module.github[*].role_arn)
    region           = var.region
    url              = "https://${var.domain_name}"
    registry         = module.registry.url
    cluster          = module.service.cluster.name
    services         = [for service in module.service.services : service.name]
    task_definitions = { for kind, task in module.service.task_definitions : kind => task.family }
    subnet_ids       = module.network.private_subnet_ids
    security_group   = module.network.security_group_ids["tasks"]
    listener_arn     = module.load_balancer.listener_arn
    target_groups    = { for version, group in module.load_balancer.target_groups : version => group.arn }
    canary_key       = module.load_balancer.canary_key
    service_alarm    = module.observability.service_alarm
    alarms_topic     = module.observability.alarms_topic_arn
    log_groups       = module.service.log_groups
  }
}

output "backup_vault" {
  description = "Where snapshots are."
  value       = module.backup.vault
}

output "alarms" {
  description = "All alarms; docs/operations.md says what to do about each."
  value       = module.observability.alarm_names
}

output "task_environments" {
  description = "What each kind of task finds in its environment."
  value       = module.service.environments
}
