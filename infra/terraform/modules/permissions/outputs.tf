output "role_arns" {
  description = "By kind: execution, api, worker, migration."
  value       = { for kind, role in aws_iam_role.this : kind => role.arn }

  # A task that starts before its role may do anything fails.
  depends_on = [aws_iam_role_policy.this]
}
