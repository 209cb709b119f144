output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "Where the load balancer stands."
  value       = [for subnet in aws_subnet.public : subnet.id]
}

output "private_subnet_ids" {
  description = "Where tasks run."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "data_subnet_ids" {
  description = "Where the database and the cache are."
  value       = [for subnet in aws_subnet.data : subnet.id]
}

output "security_group_ids" {
  description = "By name: load_balancer, tasks, database, cache, endpoints."
  value       = { for name, group in aws_security_group.this : name => group.id }
}

output "egress_addresses" {
  description = "Addresses that requests of tasks come from, for allow lists elsewhere."
  value       = [for address in aws_eip.nat : address.public_ip]
}
