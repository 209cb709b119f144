# What tasks find in their environment: settings as .env.example names them, and references to secrets.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  has_replica = coalesce(var.read_replica, local.size.database.replica)

  settings = {
    all = merge({
      AWS_REGION       = var.region
      DB_HOST          = module.database.address
      DB_PORT          = tostring(module.database.port)
      DB_NAME          = module.database.database
      DB_SECRET        = module.database.secret_arn
      EMBEDDING_MODEL  = var.embedding_model
      LOG_FORMAT       = "json"
      MIGRATE_ON_START = "false" # a task of its own does it, before the new version starts
      SAMPLE_DOCUMENTS = "false"
      }, module.database.replica == null ? {} : {
      DB_READ_HOST = module.database.replica.address
    })

    serving = merge(
      {
        HOST              = "0.0.0.0"
        PORT              = tostring(local.port)
        AUTH_MODE         = "api_key,oidc"
        OIDC_ISSUER       = module.identity.issuer
        OIDC_CLIENT_IDS   = module.identity.client_id
        OIDC_GROUPS_CLAIM = "cognito:groups"
        HSTS_S            = "31536000"
        SHUTDOWN_PAUSE_S  = "35" # three checks by the load balancer, where nobody tells it of a task's end
        SHUTDOWN_GRACE_S  = "65" # longer than any answer may take
        CHAT_MODEL        = var.chat_model
        RERANK_MODEL      = var.rerank_model
        DOCUMENTS_BUCKET  = module.storage.buckets["documents"].name
        ARTIFACTS_BUCKET  = module.storage.buckets["artifacts"].name
        ARTIFACTS_KMS_KEY = module.encryption.data_key_arn
      },
      var.guardrail == null ? {} : {
        GUARDRAIL_ID      = var.guardrail.id
        GUARDRAIL_VERSION = var.guardrail.version
      },
      var.encrypt_texts ? {
        FIELD_ENCRYPTION         = "kms"
        FIELD_ENCRYPTION_KMS_KEY = module.encryption.fields_key_arn
      } : {},
      length(var.upload_origins) > 0 ? { CORS_ORIGINS = join(",", var.upload_origins) } : {},
      module.secrets.arns,
      var.settings,
    )

    worker = { EVENTS_QUEUE_URL = module.queue.events.url }
  }

  # Amazon's, where settings ask for them.
  detection_actions = concat(
    lookup(var.settings, "PARSER", "") == "textract" ? ["textract:AnalyzeDocument"] : [],
    lookup(var.settings, "PERSONAL_DATA_DETECTOR", "") == "comprehend" ? ["comprehend:DetectPiiEntities"] : [],
  )
}

# The models of Bedrock that tasks may invoke: those that the settings name, and nothing else.
locals {
  model_names = [
    for name in concat(split(",", var.chat_model), [var.embedding_model, var.rerank_model]) :
    split("?", trimprefix(trimspace(name), "bedrock:"))[0] if startswith(trimspace(name), "bedrock:")
  ]

  # An inference profile is a model's id behind a group of regions; calls of it may go to any of these.
  profiles   = [for name in local.model_names : name if can(regex("^(us|us-gov|eu|apac|jp|au|ca|global)\\.", name))]
  models     = [for name in local.model_names : replace(name, "/^(us|us-gov|eu|apac|jp|au|ca|global)\\./", "") if !startswith(name, "arn:")]
  given      = [for name in local.model_names : name if startswith(name, "arn:")]
  in_bedrock = "arn:${data.aws_partition.current.partition}:bedrock"

  bedrock = {
    profile_arns = concat(
      [for name in local.profiles : "${local.in_bedrock}:${var.region}:${data.aws_caller_identity.current.account_id}:inference-profile/${name}"],
      [for arn in local.given : arn if strcontains(arn, "inference-profile/")],
    )
    invoked_arns = distinct(concat(
      [for name in local.models : "${local.in_bedrock}:*::foundation-model/${name}"],
      [for name in local.profiles : "${local.in_bedrock}:${var.region}:${data.aws_caller_identity.current.account_id}:inference-profile/${name}"],
      local.given,
    ))
    guardrail_arn = var.guardrail == null ? null : startswith(var.guardrail.id, "arn:") ? var.guardrail.id : "${local.in_bedrock}:${var.region}:${data.aws_caller_identity.current.account_id}:guardrail/${var.guardrail.id}"
  }
}

# Every file of dashboards/ is one; the names of what they show are filled in. It is no template of Terraform's, since
# CloudWatch has a ${…} of its own, which stays.
locals {
  shown = {
    for name, value in {
      region        = var.region
      load_balancer = module.load_balancer.arn_suffix
      target_group  = module.load_balancer.target_groups["stable"].arn_suffix
      canary_group  = module.load_balancer.target_groups["canary"].arn_suffix
      cluster       = module.service.cluster.name
      database      = module.database.identifier
      events_queue  = module.queue.events.name
      dead_letters  = module.queue.dead_letters_name
      web_acl       = local.name
      namespace     = var.service_metrics.namespace
    } : "$${${name}}" => value
  }

  dashboards = {
    for file in fileset("${path.module}/dashboards", "*.json") : trimsuffix(file, ".json") => join("", [
      for part in regexall("\\$\\{[a-z_]+\\}|[^$]+|\\$", file("${path.module}/dashboards/${file}")) : lookup(local.shown, part, part)
    ])
  }
}
