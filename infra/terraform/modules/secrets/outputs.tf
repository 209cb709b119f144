output "arns" {
  description = "ARNs by setting."
  value       = { for setting, secret in aws_secretsmanager_secret.this : setting => secret.arn }
}
