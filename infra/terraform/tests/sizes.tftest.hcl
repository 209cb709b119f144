# What an emulator can't make, planned and applied with a provider that makes everything up.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment        = "production"
  region             = "eu-central-1"
  size               = "large"
  domain_name        = "groundwork.example.com"
  certificate_arn    = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
  image_tag          = "1"
  chat_model         = "bedrock:eu.anthropic.claude-sonnet-4-5-20250929-v1:0,local:extractive"
  embedding_model    = "bedrock:amazon.titan-embed-text-v2:0?dimensions=512"
  rerank_model       = "bedrock:cohere.rerank-v3-5:0"
  cache              = true
  monthly_budget_usd = 5000
  schedules          = {}
}

run "large" {
  assert {
    condition     = module.database.replica != null && length(module.database.replica.identifier) > 0
    error_message = "The large size has a replica."
  }

  assert {
    condition     = contains(output.alarms, "replica-lag")
    error_message = "A replica's lag is watched."
  }

  assert {
    condition     = output.cache_address != null
    error_message = "There is a cache."
  }

  assert {
    condition = jsonencode(module.service.scaling) == jsonencode({
      api    = { by = ["cpu", "memory", "requests"], least = 4, most = 20 }
      worker = { by = ["cpu", "events-age", "jobs-age", "memory"], least = 2, most = 20 }
    })
    error_message = "API and workers follow the load."
  }

  assert {
    condition     = module.observability.budget_usd == 5000
    error_message = "The month's money is watched."
  }

  assert {
    condition     = output.deployment.service_alarm == "groundwork-production-service"
    error_message = "There is an alarm for deployments to watch."
  }

  assert {
    condition     = length(module.observability.questions) == 4
    error_message = "Questions to the logs are kept."
  }

  assert {
    condition     = module.backup.selection == "database"
    error_message = "The database is backed up."
  }

  assert {
    condition     = one(module.queue.redrive_from) == module.queue.events.arn
    error_message = "Dead letters come from the queue of events alone."
  }
}

run "medium_follows_the_load_from_2_to_10_tasks" {
  command = plan

  variables {
    size = "medium"
  }

  assert {
    condition     = module.service.scaling["api"].least == 2 && module.service.scaling["api"].most == 10
    error_message = "From 2 to 10 tasks."
  }

  assert {
    condition     = module.service.scaling["worker"].least == 2 && module.service.scaling["worker"].most == 10
    error_message = "From 2 to 10 tasks."
  }

  assert {
    condition     = !contains(output.alarms, "replica-lag")
    error_message = "There is no replica."
  }
}

run "replica_by_choice" {
  command = plan

  variables {
    size         = "small"
    read_replica = true
  }

  assert {
    condition     = contains(output.alarms, "replica-lag")
    error_message = "The replica that was asked for is there."
  }
}

run "nothing_starts_without_an_image" {
  command = plan

  variables {
    image_tag = null
  }

  assert {
    condition     = alltrue([for service in values(module.service.scaling) : service.most == 0])
    error_message = "Tasks without an image fail to start."
  }
}

run "dashboards_show_this_environment" {
  assert {
    condition     = alltrue([for body in values(local.dashboards) : length(regexall("\\$\\{[a-z_]+\\}", body)) == 0 && can(jsondecode(body))])
    error_message = "A name in a dashboard was not filled in."
  }

  assert {
    condition     = strcontains(local.dashboards["infrastructure"], "app/groundwork/1")
    error_message = "The load balancer is shown."
  }
}

run "only_named_models" {
  command = plan

  assert {
    condition = jsonencode(local.bedrock.invoked_arns) == jsonencode([
      "arn:aws:bedrock:*::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
      "arn:aws:bedrock:*::foundation-model/amazon.titan-embed-text-v2:0",
      "arn:aws:bedrock:*::foundation-model/cohere.rerank-v3-5:0",
      "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ])
    error_message = "Tasks may invoke what the settings name, and nothing else."
  }

  assert {
    condition     = one(local.bedrock.profile_arns) == "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
    error_message = "And look up its profile."
  }
}

run "local_models_need_no_bedrock" {
  command = plan

  variables {
    chat_model      = "local:extractive"
    embedding_model = "local:all-MiniLM-L6-v2"
    rerank_model    = "none"
  }

  assert {
    condition     = length(local.bedrock.invoked_arns) == 0
    error_message = "No model of Bedrock is named."
  }
}
