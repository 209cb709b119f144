# The API follows processor, memory and requests; workers follow processor and how long work has waited.

locals {
  scaled = var.autoscaling ? { api = var.sizes.api, worker = var.sizes.worker } : {}

  tracked = var.autoscaling ? {
    api-cpu       = { service = "api", metric = "ECSServiceAverageCPUUtilization", target = 60, label = null }
    api-memory    = { service = "api", metric = "ECSServiceAverageMemoryUtilization", target = 75, label = null }
    api-requests  = { service = "api", metric = "ALBRequestCountPerTarget", target = var.requests_per_task, label = "${var.load_balancer_suffix}/${var.target_groups["stable"].arn_suffix}" }
    worker-cpu    = { service = "worker", metric = "ECSServiceAverageCPUUtilization", target = 70, label = null }
    worker-memory = { service = "worker", metric = "ECSServiceAverageMemoryUtilization", target = 75, label = null }
  } : {}

  ages = var.autoscaling ? {
    worker-events-age = { namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = { QueueName = var.events_queue_name } }
    worker-jobs-age   = { namespace = var.queue_age_metric.namespace, metric = var.queue_age_metric.name, dimensions = var.queue_age_metric.dimensions }
  } : {}
}

resource "aws_appautoscaling_target" "this" {
  for_each = local.scaled

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this[each.key].name}"
  min_capacity       = var.started ? each.value.min_tasks : 0
  max_capacity       = var.started ? each.value.max_tasks : 0
}

resource "aws_appautoscaling_policy" "tracked" {
  for_each = local.tracked

  name               = "${var.name}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[each.value.service].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[each.value.service].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[each.value.service].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.target
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
      resource_label         = each.value.label
    }
  }
}

resource "aws_appautoscaling_policy" "age" {
  for_each = local.ages

  name               = "${var.name}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this["worker"].service_namespace
  scalable_dimension = aws_appautoscaling_target.this["worker"].scalable_dimension
  resource_id        = aws_appautoscaling_target.this["worker"].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.queue_age_target_s
    scale_out_cooldown = 60
    scale_in_cooldown  = 600

    customized_metric_specification {
      namespace   = each.value.namespace
      metric_name = each.value.metric
      statistic   = "Maximum"

      dynamic "dimensions" {
        for_each = each.value.dimensions

        content {
          name  = dimensions.key
          value = dimensions.value
        }
      }
    }
  }
}
