output "address" {
  description = "Host of the node that takes writes."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "arns" {
  description = "What elasticache:Connect needs: the group and the user."
  value       = [aws_elasticache_replication_group.this.arn, aws_elasticache_user.service.arn]
}
