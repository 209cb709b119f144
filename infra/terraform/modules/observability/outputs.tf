output "alarms_topic_arn" {
  description = "Where alarms go, and notices of deployments."
  value       = aws_sns_topic.alarms.arn
}

output "service_alarm" {
  description = "The alarm that a deployment watches."
  value       = one(aws_cloudwatch_composite_alarm.service[*].alarm_name)
}

output "alarm_names" {
  description = "All alarms."
  value       = sort(concat(keys(local.alarms), ["errors"]))
}

output "budget_usd" {
  description = "Money for a month that is watched; null: none."
  value       = one([for budget in aws_budgets_budget.this : tonumber(budget.limit_amount)])
}

output "questions" {
  description = "Queries of the logs that are kept."
  value       = keys(aws_cloudwatch_query_definition.this)
}
