# Three keys, so that who reads logs needn't be able to read documents, and stored questions can be made
# unreadable by themselves.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id

  keys = {
    data   = "Database, buckets, queues and secrets"
    logs   = "Logs, alarms and images"
    fields = "Wraps the data keys of stored questions and answers"
  }

  # Services that use a key on behalf of what they deliver, not of a role.
  services = {
    data = {
      "s3.amazonaws.com"        = "Events of the documents bucket go to an encrypted queue."
      "scheduler.amazonaws.com" = "Schedules that failed go to an encrypted queue."
    }
    logs = {
      "logs.${data.aws_region.current.name}.amazonaws.com" = "Log groups."
      "cloudwatch.amazonaws.com"                           = "Alarms go to an encrypted topic."
      "budgets.amazonaws.com"                              = "So do budgets."
      "events.amazonaws.com"                               = "And events of tasks and of the database."
      "events.rds.amazonaws.com"                           = "And RDS's own."
    }
    fields = {}
  }
}

data "aws_iam_policy_document" "key" {
  for_each = local.keys

  #checkov:skip=CKV_AWS_109:A key's policy speaks of that key alone, and without the account as administrator nobody could mend it.
  #checkov:skip=CKV_AWS_111:As above.
  #checkov:skip=CKV_AWS_356:In a key's policy, * stands for the key itself.
  statement {
    sid       = "AccountAdministersByIam"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${local.account}:root"]
    }
  }

  dynamic "statement" {
    for_each = length(local.services[each.key]) > 0 ? [keys(local.services[each.key])] : []

    content {
      sid       = "ServicesOfThisAccount"
      actions   = ["kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      resources = ["*"]

      principals {
        type        = "Service"
        identifiers = statement.value
      }

      # CloudWatch Logs sends no source account, but names the log group as encryption context.
      condition {
        test     = "StringLikeIfExists"
        variable = "kms:EncryptionContext:aws:logs:arn"
        values   = ["arn:${data.aws_partition.current.partition}:logs:*:${local.account}:log-group:*"]
      }

      condition {
        test     = "StringEqualsIfExists"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
    }
  }
}

resource "aws_kms_key" "this" {
  for_each = local.keys

  description             = "${var.name}: ${each.value}"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_days
  policy                  = data.aws_iam_policy_document.key[each.key].json
}

resource "aws_kms_alias" "this" {
  for_each = local.keys

  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}
