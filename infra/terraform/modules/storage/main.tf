# Documents (what is taken in), artifacts (reports and exports) and logs (of the load balancer and of the buckets).

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  names   = { for kind in ["documents", "artifacts", "logs"] : kind => "${var.name}-${kind}-${local.account}" }

  # The load balancer writes its logs by S3's own encryption only.
  kms_kinds = toset(["documents", "artifacts"])
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:Documents and artifacts log to the third bucket, which doesn't log to itself.
  #checkov:skip=CKV_AWS_21:Versions are kept of documents and artifacts; logs are only ever added.
  #checkov:skip=CKV_AWS_144:What is taken in also stands in the database, which is backed up; another region is another decision.
  #checkov:skip=CKV_AWS_145:KMS, except for the load balancer's logs, for which AWS allows S3's own encryption only.
  #checkov:skip=CKV2_AWS_61:Each kind has a lifecycle of its own, in lifecycle.tf.
  #checkov:skip=CKV2_AWS_62:The documents bucket notifies the queue, in the module queue; the others have nothing to tell.
  for_each = local.names

  bucket        = each.value
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.names

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.names

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.kms_kinds

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.names

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = contains(local.kms_kinds, each.key)

    apply_server_side_encryption_by_default {
      sse_algorithm     = contains(local.kms_kinds, each.key) ? "aws:kms" : "AES256"
      kms_master_key_id = contains(local.kms_kinds, each.key) ? var.data_key_arn : null
    }
  }
}

resource "aws_s3_bucket_logging" "this" {
  for_each = local.kms_kinds

  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["logs"].id
  target_prefix = "s3/${each.key}/"

  # S3 tries out whether it may write.
  depends_on = [aws_s3_bucket_policy.this]
}

# Browsers send files straight to the bucket, by forms that the API signs.
resource "aws_s3_bucket_cors_configuration" "documents" {
  count = length(var.upload_origins) > 0 ? 1 : 0

  bucket = aws_s3_bucket.this["documents"].id

  cors_rule {
    allowed_methods = ["POST"]
    allowed_origins = var.upload_origins
    allowed_headers = ["*"]
    max_age_seconds = 3600
  }
}
