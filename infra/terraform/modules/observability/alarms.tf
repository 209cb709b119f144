# Each alarm has an entry of the same name in docs/infrastructure.md, and a runbook in docs/operations.md. `page` are those that a deployment watches.

locals {
  load_balancer = { LoadBalancer = var.load_balancer_suffix }
  database      = { DBInstanceIdentifier = var.database_identifier }

  of_aws = {
    latency-p99 = {
      what      = "One answer in a hundred takes too long"
      namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", dimensions = local.load_balancer
      statistic = "p99", above = true, threshold = var.thresholds.latency_p99_s, minutes = 10, page = true
    }
    unhealthy-tasks = {
      what       = "A task of the API is not ready"
      namespace  = "AWS/ApplicationELB", metric = "UnHealthyHostCount"
      dimensions = merge(local.load_balancer, { TargetGroup = var.target_group_suffixes["stable"] })
      statistic  = "Maximum", above = true, threshold = 0, minutes = 5, page = true
    }
    database-cpu = {
      what      = "The database is busy"
      namespace = "AWS/RDS", metric = "CPUUtilization", dimensions = local.database
      statistic = "Average", above = true, threshold = 80, minutes = 15, page = false
    }
    database-memory = {
      what      = "The database has little memory left"
      namespace = "AWS/RDS", metric = "FreeableMemory", dimensions = local.database
      statistic = "Minimum", above = false, threshold = var.thresholds.database_memory_bytes, minutes = 15, page = false
    }
    database-storage = {
      what      = "The database's disk is nearly full"
      namespace = "AWS/RDS", metric = "FreeStorageSpace", dimensions = local.database
      statistic = "Minimum", above = false, threshold = var.thresholds.database_storage_bytes, minutes = 15, page = false
    }
    database-connections = {
      what      = "The database's connections run out"
      namespace = "AWS/RDS", metric = "DatabaseConnections", dimensions = local.database
      statistic = "Maximum", above = true, threshold = var.thresholds.database_connections, minutes = 5, page = false
    }
    events-age = {
      what      = "Workers don't keep up with the bucket's events"
      namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = var.events_queue_name }
      statistic = "Maximum", above = true, threshold = var.thresholds.queue_age_s, minutes = 10, page = false
    }
    dead-letters = {
      what      = "Events could not be handled"
      namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.dead_letters_name }
      statistic = "Maximum", above = true, threshold = 0, minutes = 5, page = false
    }
    failed-schedules = {
      what      = "A schedule could not start its task"
      namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.failed_schedules_name }
      statistic = "Maximum", above = true, threshold = 0, minutes = 5, page = false
    }
  }

  replica = var.replica_identifier == null ? {} : {
    replica-lag = {
      what      = "What the replica answers is too old"
      namespace = "AWS/RDS", metric = "ReplicaLag", dimensions = { DBInstanceIdentifier = var.replica_identifier }
      statistic = "Maximum", above = true, threshold = var.thresholds.replica_lag_s, minutes = 5, page = false
    }
  }

  workers = {
    no-worker = {
      what      = "No worker runs"
      namespace = "ECS/ContainerInsights", metric = "RunningTaskCount", dimensions = { ClusterName = var.cluster_name, ServiceName = "worker" }
      statistic = "Maximum", above = false, threshold = 1, minutes = 5, page = false
    }
  }

  # The service's own, as its log lines carry them.
  of_service = {
    for name, alarm in {
      request-errors   = { what = "Requests fail", metric = "request_errors", statistic = "Sum", above = true, threshold = var.thresholds.request_errors, minutes = 5, page = true }
      first-token      = { what = "Answers begin too late", metric = "first_token_ms", statistic = "p99", above = true, threshold = var.thresholds.first_token_ms, minutes = 10, page = true }
      low-groundedness = { what = "Answers aren't held up by their sources", metric = "low_groundedness", statistic = "Average", above = true, threshold = var.thresholds.low_groundedness, minutes = 60, page = false }
      evaluation-score = { what = "The nightly evaluation is worse than it may be", metric = "evaluation_score", statistic = "Minimum", above = false, threshold = var.thresholds.evaluation_score, minutes = 60, page = false }
      jobs-age         = { what = "Workers don't keep up with jobs", metric = "queue_age_s", statistic = "Maximum", above = true, threshold = var.thresholds.queue_age_s, minutes = 10, page = false }
      cost             = { what = "Models cost more in an hour than they may", metric = "cost_usd", statistic = "Sum", above = true, threshold = var.thresholds.cost_usd_per_hour, minutes = 60, page = false }
      } : name => merge(alarm, {
        namespace  = var.service_metrics.namespace
        metric     = lookup(var.service_metrics.names, alarm.metric, alarm.metric)
        dimensions = var.service_metrics.dimensions
    })
  }

  alarms   = merge(local.of_aws, local.replica, local.workers, local.of_service)
  paged    = concat(["errors"], [for name, alarm in local.alarms : name if alarm.page])
  to_topic = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.what}: docs/operations.md, ${each.key}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.above ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = each.value.threshold
  period              = each.value.minutes >= 60 ? each.value.minutes * 60 : 60
  evaluation_periods  = each.value.minutes >= 60 ? 1 : each.value.minutes
  datapoints_to_alarm = each.value.minutes >= 60 ? 1 : ceil(each.value.minutes * 0.6)
  treat_missing_data  = each.key == "no-worker" ? "breaching" : "notBreaching"
  actions_enabled     = var.actions_enabled
  alarm_actions       = local.to_topic
  ok_actions          = local.to_topic
}

# A share, since ten errors are many at night and few at noon.
resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-errors"
  alarm_description   = "Requests end in 5xx: docs/operations.md, errors"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.error_percent
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  actions_enabled     = var.actions_enabled
  alarm_actions       = local.to_topic
  ok_actions          = local.to_topic

  metric_query {
    id          = "share"
    label       = "5xx in percent"
    expression  = "100 * (FILL(service, 0) + FILL(balancer, 0)) / requests"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = {
      requests = "RequestCount"
      service  = "HTTPCode_Target_5XX_Count"
      balancer = "HTTPCode_ELB_5XX_Count"
    }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = local.load_balancer
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

# What a deployment watches while it moves weight to the canary.
resource "aws_cloudwatch_composite_alarm" "service" {
  count = var.complete ? 1 : 0

  alarm_name        = "${var.name}-service"
  alarm_description = "The service does badly: any of its alarms that users notice"
  alarm_rule        = join(" OR ", [for name in local.paged : "ALARM(\"${var.name}-${name}\")"])

  depends_on = [aws_cloudwatch_metric_alarm.this, aws_cloudwatch_metric_alarm.errors]
}
