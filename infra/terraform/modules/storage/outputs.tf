output "buckets" {
  description = "Names and ARNs by kind: documents, artifacts, logs."
  value       = { for kind, bucket in aws_s3_bucket.this : kind => { name = bucket.id, arn = bucket.arn } }
}

output "logs_bucket_ready" {
  description = "The bucket for logs, once it may be written to."
  value       = aws_s3_bucket_policy.this["logs"].bucket
}
