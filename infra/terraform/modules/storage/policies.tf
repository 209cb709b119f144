# Whose logs go where. The load balancer tells of its account by the path alone.
locals {
  log_writers = {
    LoadBalancer = {
      service = "logdelivery.elasticloadbalancing.amazonaws.com"
      path    = "load-balancer/AWSLogs/${local.account}/*"
      only    = {}
    }
    Documents = {
      service = "logging.s3.amazonaws.com"
      path    = "s3/documents/*"
      only    = { "aws:SourceAccount" = local.account }
    }
    Artifacts = {
      service = "logging.s3.amazonaws.com"
      path    = "s3/artifacts/*"
      only    = { "aws:SourceAccount" = local.account }
    }
  }
}

data "aws_iam_policy_document" "bucket" {
  for_each = local.names

  statement {
    sid       = "EncryptedConnectionsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  dynamic "statement" {
    for_each = each.key == "logs" ? local.log_writers : {}

    content {
      sid       = "LogsOf${statement.key}"
      actions   = ["s3:PutObject"]
      resources = ["${aws_s3_bucket.this["logs"].arn}/${statement.value.path}"]

      principals {
        type        = "Service"
        identifiers = [statement.value.service]
      }

      dynamic "condition" {
        for_each = statement.value.only

        content {
          test     = "StringEquals"
          variable = condition.key
          values   = [condition.value]
        }
      }
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.names

  bucket = aws_s3_bucket.this[each.key].id
  policy = data.aws_iam_policy_document.bucket[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.this]
}
