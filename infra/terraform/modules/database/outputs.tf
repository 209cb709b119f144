output "address" {
  description = "Host of the main instance."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Its port."
  value       = aws_db_instance.this.port
}

output "database" {
  description = "Name of the database."
  value       = aws_db_instance.this.db_name
}

output "identifier" {
  description = "Name of the instance, as metrics have it."
  value       = aws_db_instance.this.identifier
}

output "arn" {
  description = "ARN of the instance."
  value       = aws_db_instance.this.arn
}

output "secret_arn" {
  description = "Secret in which RDS keeps user and password."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "replica" {
  description = "Name and host of the replica; null without one."
  value       = one([for replica in aws_db_instance.replica : { identifier = replica.identifier, address = replica.address }])
}
