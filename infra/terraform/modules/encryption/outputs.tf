output "data_key_arn" {
  description = "Encrypts database, buckets, queues and secrets."
  value       = aws_kms_key.this["data"].arn
}

output "logs_key_arn" {
  description = "Encrypts logs, alarms and images."
  value       = aws_kms_key.this["logs"].arn
}

output "fields_key_arn" {
  description = "Wraps the data keys of stored questions and answers."
  value       = aws_kms_key.this["fields"].arn
}
