# Valkey, with log-in by IAM: there is no password to keep.

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "this" {
  name        = "${var.name}-valkey8"
  family      = "valkey8"
  description = "A cache: the least used goes first"

  parameter {
    name  = "maxmemory-policy"
    value = "allkeys-lru"
  }
}

resource "aws_elasticache_user" "service" {
  user_id       = "${var.name}-service"
  user_name     = "${var.name}-service"
  engine        = "valkey"
  access_string = "on ~* +@all -@dangerous -@admin"

  authentication_mode {
    type = "iam"
  }
}

resource "aws_elasticache_user_group" "this" {
  user_group_id = var.name
  engine        = "valkey"
  user_ids      = [aws_elasticache_user.service.user_id]
}

resource "aws_elasticache_replication_group" "this" {
  #checkov:skip=CKV_AWS_31:Callers log in by IAM, through the user group.
  #checkov:skip=CKV2_AWS_50:With a second node where the size asks for one; what a cache loses is computed again.
  replication_group_id = var.name
  description          = "Cache of Groundwork"
  engine               = "valkey"
  engine_version       = "8.0"
  node_type            = var.node_type

  num_cache_clusters         = var.nodes
  automatic_failover_enabled = var.nodes > 1
  multi_az_enabled           = var.nodes > 1
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [var.security_group_id]
  user_group_ids             = [aws_elasticache_user_group.this.user_group_id]

  at_rest_encryption_enabled = true
  kms_key_id                 = var.data_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auto_minor_version_upgrade = true
  maintenance_window         = "sun:05:00-sun:06:00"
}
