output "events" {
  description = "The queue of the bucket's events."
  value       = { url = aws_sqs_queue.events.id, arn = aws_sqs_queue.events.arn, name = aws_sqs_queue.events.name }
}

output "dead_letters_name" {
  description = "Where messages end that could not be handled."
  value       = aws_sqs_queue.dead_letters.name
}

output "redrive_from" {
  description = "Queues whose dead letters are taken."
  value       = flatten([for policy in aws_sqs_queue_redrive_allow_policy.dead_letters : jsondecode(policy.redrive_allow_policy).sourceQueueArns])
}
