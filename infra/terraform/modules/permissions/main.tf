# One role for each kind of task, and one for ECS to start them. Each statement says what it is for.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.name
  partition = data.aws_partition.current.partition

  roles = {
    execution = "Starts tasks: pulls the image, writes logs"
    api       = "Serves requests"
    worker    = "Takes in documents, evaluates, exports, deletes what is too old"
    migration = "Brings the database's schema to the newest version"
  }

  policies = {
    execution = [data.aws_iam_policy_document.execution.json]
    api       = [data.aws_iam_policy_document.common.json, data.aws_iam_policy_document.api.json]
    worker    = [data.aws_iam_policy_document.common.json, data.aws_iam_policy_document.worker.json]
    migration = [data.aws_iam_policy_document.migration.json]
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    # Not on behalf of another account's tasks.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "of_role" {
  for_each = local.policies

  source_policy_documents = each.value
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name               = "${var.name}-${each.key}"
  description        = each.value
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  for_each = local.policies

  name   = each.key
  role   = aws_iam_role.this[each.key].id
  policy = data.aws_iam_policy_document.of_role[each.key].json
}
