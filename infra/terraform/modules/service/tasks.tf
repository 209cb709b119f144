# What a task is: one image, as api, worker or migration. Its file system is read-only but for two folders.

locals {
  tasks = {
    api       = { size = var.sizes.api, command = ["python", "-m", "app"], settings = { ROLE = "api" }, serves = true }
    worker    = { size = var.sizes.worker, command = ["python", "-m", "app"], settings = { ROLE = "worker" }, serves = true }
    migration = { size = var.sizes.migration, command = ["python", "scripts/migrate.py"], settings = {}, serves = false }
  }

  settings = {
    api       = merge(var.settings.all, var.settings.serving)
    worker    = merge(var.settings.all, var.settings.serving, var.settings.worker)
    migration = var.settings.all
  }

  environment = {
    for kind, task in local.tasks : kind => merge(local.settings[kind], task.settings, var.collector == null ? {} : {
      OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
    })
  }

  containers = {
    for kind, task in local.tasks : kind => concat(
      [{
        name                   = "groundwork"
        image                  = var.image
        command                = task.command
        essential              = true
        readonlyRootFilesystem = true
        stopTimeout            = 120 # SHUTDOWN_PAUSE_S, SHUTDOWN_GRACE_S, and some for closing
        environment            = [for name, value in local.environment[kind] : { name = name, value = value }]
        linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"], add = [] } }
        logConfiguration       = local.logs[kind]

        mountPoints = [
          { sourceVolume = "data", containerPath = "/var/lib/groundwork/data", readOnly = false },
          { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
        ]

        portMappings = task.serves ? [{ containerPort = var.port, hostPort = var.port, protocol = "tcp" }] : []

        healthCheck = task.serves ? {
          command     = ["CMD", "python", "infra/healthcheck.py"]
          interval    = 10
          timeout     = 3
          retries     = 3
          startPeriod = 60
        } : null
      }],
      var.collector != null && task.serves ? [local.collectors[kind]] : [],
    )
  }

  logs = {
    for kind in keys(local.tasks) : kind => {
      logDriver = "awslogs"
      options = {
        awslogs-group         = "/${var.name}/${kind}"
        awslogs-region        = data.aws_region.current.name
        awslogs-stream-prefix = "task"
        mode                  = "non-blocking" # logs that can't be delivered must not stop an answer
        max-buffer-size       = "8m"
      }
    }
  }

  # AWS's OpenTelemetry collector beside the task; without it, requests go on and traces are lost.
  collectors = {
    for kind in keys(local.tasks) : kind => {
      name                   = "collector"
      image                  = var.collector
      command                = ["--config=/etc/ecs/ecs-default-config.yaml"]
      essential              = false
      readonlyRootFilesystem = true
      cpu                    = 64
      memory                 = 256
      logConfiguration       = local.logs[kind]
      environment            = []
      mountPoints            = []
      portMappings           = []
    }
  }
}

data "aws_region" "current" {}

resource "aws_ecs_task_definition" "this" {
  #checkov:skip=CKV_AWS_97:The volumes are folders of the task's own storage, no EFS.
  for_each = local.tasks

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.size.cpu
  memory                   = each.value.size.memory
  execution_role_arn       = var.role_arns["execution"]
  task_role_arn            = var.role_arns[each.key]
  track_latest             = false

  container_definitions = jsonencode(local.containers[each.key])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  dynamic "volume" {
    for_each = ["data", "tmp"]

    content {
      name = volume.value
    }
  }

  depends_on = [aws_cloudwatch_log_group.this]
}
