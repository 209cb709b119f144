# The cluster, and what runs on it all the time: the API in two versions (the canary has tasks only while a
# deployment goes on), and workers.

locals {
  services = {
    api = {
      task         = "api"
      target_group = "stable"
      tasks        = var.started ? var.sizes.api.min_tasks : 0
    }
    api-canary = {
      task         = "api"
      target_group = "canary"
      tasks        = 0
    }
    worker = {
      task         = "worker"
      target_group = null
      tasks        = var.started ? var.sizes.worker.min_tasks : 0
    }
  }
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:As long as the environment says.
  for_each = local.tasks

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.keep_logs_days
  kms_key_id        = var.logs_key_arn
}

resource "aws_ecs_service" "this" {
  for_each = local.services

  name             = each.key
  cluster          = aws_ecs_cluster.this.id
  task_definition  = aws_ecs_task_definition.this[each.value.task].arn
  desired_count    = each.value.tasks
  platform_version = "LATEST"
  propagate_tags   = "SERVICE"

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = each.value.target_group == null ? null : 60
  enable_ecs_managed_tags            = true
  availability_zone_rebalancing      = "ENABLED"

  # Otherwise the cluster's own. Jobs of a worker that is taken away go to another one after JOB_LEASE_S.
  dynamic "capacity_provider_strategy" {
    for_each = each.key == "worker" && var.spot_workers ? ["FARGATE_SPOT"] : []

    content {
      capacity_provider = capacity_provider_strategy.value
      weight            = 1
    }
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = each.value.target_group == null ? [] : [var.target_groups[each.value.target_group].arn]

    content {
      target_group_arn = load_balancer.value
      container_name   = "groundwork"
      container_port   = var.port
    }
  }

  depends_on = [aws_ecs_cluster_capacity_providers.this]

  lifecycle {
    # Deployments bring images, autoscaling chooses how many.
    ignore_changes = [task_definition, desired_count]
  }
}
