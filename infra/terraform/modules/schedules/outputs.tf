output "failed_queue_name" {
  description = "Where schedules end that could not start their task."
  value       = aws_sqs_queue.failed.name
}
