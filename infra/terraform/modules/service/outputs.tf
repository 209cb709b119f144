output "cluster" {
  description = "The cluster."
  value       = { name = aws_ecs_cluster.this.name, arn = aws_ecs_cluster.this.arn }
}

output "services" {
  description = "Names and ARNs of the services."
  value       = { for key, service in aws_ecs_service.this : key => { name = service.name, arn = service.id } }
}

output "task_definitions" {
  description = "Families and ARNs without revision, by kind: api, worker, migration."
  value = {
    for kind, task in aws_ecs_task_definition.this : kind => { family = task.family, arn = task.arn_without_revision }
  }
}

output "log_groups" {
  description = "Names by kind."
  value       = { for kind, group in aws_cloudwatch_log_group.this : kind => group.name }
}

output "environments" {
  description = "What each kind of task finds in its environment."
  value       = local.environment
}

output "scaling" {
  description = "Least and most tasks, and what they follow, by service."
  value = {
    for key, target in aws_appautoscaling_target.this : key => {
      least = target.min_capacity
      most  = target.max_capacity
      by = sort([
        for name in concat(keys(aws_appautoscaling_policy.tracked), keys(aws_appautoscaling_policy.age)) :
        trimprefix(name, "${key}-") if startswith(name, "${key}-")
      ])
    }
  }
}
