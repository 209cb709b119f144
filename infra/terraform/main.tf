locals {
  name = "groundwork-${var.environment}"
  port = 8000

  # What only AWS itself has; see unsupported.tsv.
  complete = !var.emulated
}

module "encryption" {
  source = "./modules/encryption"

  name                 = local.name
  deletion_window_days = var.protected ? 30 : 7
}

module "network" {
  source = "./modules/network"

  name                = local.name
  cidr                = var.network_cidr
  zones               = var.zones
  single_nat          = local.size.single_nat
  interface_endpoints = toset(local.size.interface_endpoints)
  client_cidrs        = var.client_cidrs
  service_port        = local.port
  logs_key_arn        = module.encryption.logs_key_arn
}

module "storage" {
  source = "./modules/storage"

  name               = local.name
  data_key_arn       = module.encryption.data_key_arn
  upload_origins     = var.upload_origins
  keep_versions_days = 90
  keep_logs_days     = var.keep_logs_days
  force_destroy      = !var.protected
}

module "queue" {
  source = "./modules/queue"

  name             = local.name
  data_key_arn     = module.encryption.data_key_arn
  documents_bucket = module.storage.buckets["documents"]
  complete         = local.complete
}

module "database" {
  source = "./modules/database"

  name                    = local.name
  engine_version          = var.postgres_version
  instance_class          = local.size.database.instance_class
  storage_gb              = local.size.database.storage_gb
  maintenance_work_mem_mb = local.size.database.maintenance_work_mem_mb
  multi_az                = local.size.database.multi_az
  replica                 = local.complete && local.has_replica
  backup_days             = var.backup_days
  deletion_protection     = var.protected
  keep_logs_days          = var.keep_logs_days
  subnet_ids              = module.network.data_subnet_ids
  security_group_id       = module.network.security_group_ids["database"]
  data_key_arn            = module.encryption.data_key_arn
  logs_key_arn            = module.encryption.logs_key_arn
}

module "backup" {
  source = "./modules/backup"

  name            = local.name
  data_key_arn    = module.encryption.data_key_arn
  database_arn    = module.database.arn
  keep_daily_days = var.backup_days
  complete        = local.complete
}

module "secrets" {
  source = "./modules/secrets"

  name          = local.name
  data_key_arn  = module.encryption.data_key_arn
  recovery_days = var.protected ? 30 : 0

  secrets = merge(
    { API_KEY_PEPPER = "Without it, stored API keys are worth nothing; another one ends them all" },
    var.secret_settings,
  )
}

module "identity" {
  source = "./modules/identity"

  name                = local.name
  domain_prefix       = "${local.name}-${data.aws_caller_identity.current.account_id}"
  callback_urls       = var.callback_urls
  tenants             = var.tenants
  deletion_protection = var.protected
}

module "cache" {
  source = "./modules/cache"
  count  = local.complete && var.cache ? 1 : 0

  name              = local.name
  node_type         = local.size.cache.node_type
  nodes             = local.size.cache.nodes
  subnet_ids        = module.network.data_subnet_ids
  security_group_id = module.network.security_group_ids["cache"]
  data_key_arn      = module.encryption.data_key_arn
}

module "registry" {
  source = "./modules/registry"

  name         = local.name
  key_arn      = module.encryption.logs_key_arn
  force_delete = !var.protected
}

module "load_balancer" {
  source = "./modules/load_balancer"

  name                = local.name
  vpc_id              = module.network.vpc_id
  subnet_ids          = module.network.public_subnet_ids
  security_group_id   = module.network.security_group_ids["load_balancer"]
  service_port        = local.port
  logs_bucket         = module.storage.logs_bucket_ready
  domain_name         = var.domain_name
  zone_id             = var.zone_id
  certificate_arn     = var.certificate_arn
  deletion_protection = var.protected
}

module "firewall" {
  source = "./modules/firewall"

  name                   = local.name
  load_balancer_arn      = module.load_balancer.arn
  requests_per_5_minutes = var.requests_per_5_minutes
  keep_logs_days         = var.keep_logs_days
  logs_key_arn           = module.encryption.logs_key_arn
}

module "permissions" {
  source = "./modules/permissions"

  name                 = local.name
  repository_arn       = module.registry.arn
  documents_bucket_arn = module.storage.buckets["documents"].arn
  artifacts_bucket_arn = module.storage.buckets["artifacts"].arn
  events_queue_arn     = module.queue.events.arn
  database_secret_arn  = module.database.secret_arn
  secret_arns          = values(module.secrets.arns)
  data_key_arn         = module.encryption.data_key_arn
  fields_key_arn       = var.encrypt_texts ? module.encryption.fields_key_arn : null
  detection_actions    = local.detection_actions
  tracing              = var.tracing

  bedrock = {
    invoked_arns  = local.bedrock.invoked_arns
    profile_arns  = local.bedrock.profile_arns
    reranks       = startswith(var.rerank_model, "bedrock:")
    guardrail_arn = local.bedrock.guardrail_arn
  }
}

module "service" {
  source = "./modules/service"

  name                 = local.name
  image                = "${module.registry.url}:${coalesce(var.image_tag, "none")}"
  collector            = var.tracing ? var.collector_image : null
  started              = var.image_tag != null
  cpu_architecture     = var.cpu_architecture
  sizes                = local.size.tasks
  settings             = local.settings
  port                 = local.port
  role_arns            = module.permissions.role_arns
  subnet_ids           = module.network.private_subnet_ids
  security_group_id    = module.network.security_group_ids["tasks"]
  target_groups        = module.load_balancer.target_groups
  load_balancer_suffix = module.load_balancer.arn_suffix
  events_queue_name    = module.queue.events.name
  queue_age_target_s   = 120
  requests_per_task    = 300
  spot_workers         = local.size.spot_workers
  autoscaling          = local.complete
  keep_logs_days       = var.keep_logs_days
  logs_key_arn         = module.encryption.logs_key_arn

  queue_age_metric = {
    namespace  = var.service_metrics.namespace
    name       = lookup(var.service_metrics.names, "queue_age_s", "queue_age_s")
    dimensions = var.service_metrics.dimensions
  }
}

module "schedules" {
  source = "./modules/schedules"

  name                = local.name
  schedules           = var.schedules
  enabled             = var.image_tag != null
  cluster_arn         = module.service.cluster.arn
  task_definition_arn = module.service.task_definitions["worker"].arn
  task_role_arns      = [module.permissions.role_arns["execution"], module.permissions.role_arns["worker"]]
  subnet_ids          = module.network.private_subnet_ids
  security_group_id   = module.network.security_group_ids["tasks"]
  data_key_arn        = module.encryption.data_key_arn
}

module "observability" {
  source = "./modules/observability"

  name                  = local.name
  environment           = var.environment
  alarm_emails          = var.alarm_emails
  actions_enabled       = var.image_tag != null
  monthly_budget_usd    = var.monthly_budget_usd
  dashboards            = local.dashboards
  service_metrics       = var.service_metrics
  load_balancer_suffix  = module.load_balancer.arn_suffix
  target_group_suffixes = { for version, group in module.load_balancer.target_groups : version => group.arn_suffix }
  cluster_name          = module.service.cluster.name
  database_identifier   = module.database.identifier
  replica_identifier    = module.database.replica == null ? null : module.database.replica.identifier
  events_queue_name     = module.queue.events.name
  dead_letters_name     = module.queue.dead_letters_name
  failed_schedules_name = module.schedules.failed_queue_name
  log_groups            = module.service.log_groups
  logs_key_arn          = module.encryption.logs_key_arn
  complete              = local.complete

  thresholds = merge(var.thresholds, {
    # A tenth of the memory and of the disk, and four fifths of RDS's own max_connections.
    database_memory_bytes  = local.size.database.memory_gb * pow(1024, 3) / 10
    database_storage_bytes = local.size.database.storage_gb * pow(1024, 3) / 10
    database_connections   = floor(local.size.database.memory_gb * pow(1024, 3) / 9531392 * 0.8)
  })
}

module "github" {
  source = "./modules/github"
  count  = var.github_repository == null ? 0 : 1

  name                 = local.name
  environment          = var.environment
  repository           = var.github_repository
  provider_arn         = var.github_provider_arn
  image_repository_arn = module.registry.arn
  cluster              = module.service.cluster
  service_arns         = [for service in module.service.services : service.arn]
  migration_task_arn   = module.service.task_definitions["migration"].arn
  migration_log_group  = module.service.log_groups["migration"]
  task_role_arns       = values(module.permissions.role_arns)
  listener_arn         = module.load_balancer.listener_arn
  alarms_topic_arn     = module.observability.alarms_topic_arn
  logs_key_arn         = module.encryption.logs_key_arn
}
