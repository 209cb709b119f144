output "arn" {
  description = "The load balancer."
  value       = aws_lb.this.arn
}

output "arn_suffix" {
  description = "The load balancer, as metrics have it."
  value       = aws_lb.this.arn_suffix
}

output "dns_name" {
  description = "What the service's name must point to."
  value       = aws_lb.this.dns_name
}

output "target_groups" {
  description = "ARNs, and suffixes as metrics have them, by version: stable, canary."
  value       = { for key, group in aws_lb_target_group.api : key => { arn = group.arn, arn_suffix = group.arn_suffix } }

  # They take tasks only once a listener uses them.
  depends_on = [aws_lb_listener.https]
}

output "listener_arn" {
  description = "Whose weights a deployment moves."
  value       = aws_lb_listener.https.arn
}

output "canary_key" {
  description = "Value of the header X-Groundwork-Version with which the canary is asked."
  value       = local.canary_key
}
