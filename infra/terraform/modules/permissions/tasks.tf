# What each kind of task needs by itself.

data "aws_iam_policy_document" "execution" {
  #checkov:skip=CKV_AWS_356:ecr:GetAuthorizationToken knows no resources.
  #checkov:skip=CKV_AWS_111:As above.
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
    resources = [var.repository_arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/${var.name}/*"]
  }
}

data "aws_iam_policy_document" "api" {
  # It signs forms by which callers send files; nowhere else in the bucket may it write, and nothing may it delete.
  statement {
    sid       = "SignUploads"
    actions   = ["s3:PutObject"]
    resources = ["${var.documents_bucket_arn}/uploads/*"]
  }
}

data "aws_iam_policy_document" "worker" {
  #checkov:skip=CKV_AWS_356:Textract's and Comprehend's actions know no resources.
  #checkov:skip=CKV_AWS_111:As above.
  statement {
    sid       = "ReadEvents"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    resources = [var.events_queue_arn]
  }

  statement {
    sid       = "DecryptEvents"
    actions   = ["kms:Decrypt"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["sqs.${local.region}.amazonaws.com"]
    }
  }

  # Reports, exports, evaluation sets.
  statement {
    sid       = "WriteArtifacts"
    actions   = ["s3:PutObject"]
    resources = ["${var.artifacts_bucket_arn}/*"]
  }

  # The export of a person's data is deleted with all its versions, when it is old or the person is erased.
  statement {
    sid       = "ListVersionsOfArtifacts"
    actions   = ["s3:ListBucketVersions"]
    resources = [var.artifacts_bucket_arn]
  }

  statement {
    sid       = "DeleteArtifacts"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = ["${var.artifacts_bucket_arn}/*"]
  }

  dynamic "statement" {
    for_each = length(var.detection_actions) > 0 ? [var.detection_actions] : []

    content {
      sid       = "ReadScansAndFindPersonalData"
      actions   = statement.value
      resources = ["*"]
    }
  }
}

# No model, no bucket, no queue: only the owner's login.
data "aws_iam_policy_document" "migration" {
  statement {
    sid       = "ReadDatabaseSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.database_secret_arn]
  }

  statement {
    sid       = "DecryptDatabaseSecret"
    actions   = ["kms:Decrypt"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${local.region}.amazonaws.com"]
    }
  }
}
