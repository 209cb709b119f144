output "role_arn" {
  description = "What the pipeline takes."
  value       = aws_iam_role.deploy.arn
}
