# Where alarms go, dashboards, and questions to the logs that one asks again and again.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.logs_key_arn
}

data "aws_iam_policy_document" "alarms" {
  statement {
    sid       = "AwsServicesOfThisAccount"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type = "Service"
      identifiers = [
        "cloudwatch.amazonaws.com",
        "budgets.amazonaws.com",
        "events.rds.amazonaws.com",
      ]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }

  statement {
    sid       = "TheRuleBelow"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.ecs.arn]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alarm_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_dashboard" "this" {
  for_each = var.dashboards

  dashboard_name = "${var.name}-${each.key}"
  dashboard_body = each.value
}

locals {
  questions = {
    errors-by-route = {
      kinds = ["api"]
      query = "filter status >= 500 | stats count(*) as errors by route, code | sort errors desc"
    }
    one-request = {
      kinds = ["api", "worker"]
      query = "filter request_id = 'PUT THE REQUEST ID HERE' | sort @timestamp asc"
    }
    failed-model-calls = {
      kinds = ["api", "worker"]
      query = "filter event in ['model_call_failed', 'breaker_opened', 'model_call_shed'] | stats count(*) as calls by event, model, bin(5m)"
    }
    failed-jobs = {
      kinds = ["worker"]
      query = "filter level = 'error' | sort @timestamp desc | limit 100"
    }
  }
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = var.complete ? local.questions : {}

  name            = "${var.name}/${each.key}"
  log_group_names = [for kind in each.value.kinds : var.log_groups[kind]]
  query_string    = each.value.query
}

# What no metric tells: a task that would not start, a deployment that was rolled back.
resource "aws_cloudwatch_event_rule" "ecs" {
  name        = "${var.name}-tasks"
  description = "Tasks of ${var.name} that could not start, and deployments that failed"

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Deployment State Change", "ECS Service Action"]
    resources   = [{ prefix = "arn:${data.aws_partition.current.partition}:ecs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:service/${var.cluster_name}/" }]
    detail      = { eventType = ["ERROR", "WARN"] }
  })
}

resource "aws_cloudwatch_event_target" "ecs" {
  rule      = aws_cloudwatch_event_rule.ecs.name
  target_id = "alarms"
  arn       = aws_sns_topic.alarms.arn
}

resource "aws_db_event_subscription" "this" {
  name             = "${var.name}-database"
  sns_topic        = aws_sns_topic.alarms.arn
  source_type      = "db-instance"
  source_ids       = [var.database_identifier]
  event_categories = ["failover", "failure", "low storage", "maintenance", "recovery"]

  depends_on = [aws_sns_topic_policy.alarms]
}

# Says when 80 % of the month's money is spent, and when all of it is going to be.
resource "aws_budgets_budget" "this" {
  count = var.complete && var.monthly_budget_usd != null ? 1 : 0

  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Environment$%s", var.environment)]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type         = notification.key
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      comparison_operator       = "GREATER_THAN"
      subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
    }
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
