output "issuer" {
  description = "OIDC_ISSUER."
  value       = "https://cognito-idp.${data.aws_region.current.name}.amazonaws.com/${aws_cognito_user_pool.this.id}"
}

output "client_id" {
  description = "OIDC_CLIENT_IDS."
  value       = aws_cognito_user_pool_client.this.id
}

output "user_pool_id" {
  description = "The user pool."
  value       = aws_cognito_user_pool.this.id
}
