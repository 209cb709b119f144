# What API and worker both need.

data "aws_iam_policy_document" "common" {
  #checkov:skip=CKV_AWS_111:Only actions that know no resources stand on *.
  #checkov:skip=CKV_AWS_356:As above: bedrock:Rerank, X-Ray's.
  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = concat([var.database_secret_arn], var.secret_arns)
  }

  statement {
    sid       = "DecryptSecrets"
    actions   = ["kms:Decrypt"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${local.region}.amazonaws.com"]
    }
  }

  # Only objects, never their old versions.
  statement {
    sid       = "ReadDocuments"
    actions   = ["s3:GetObject"]
    resources = ["${var.documents_bucket_arn}/*"]
  }

  # Without it S3 says "denied" of an object that is gone, and nothing would ever be deleted.
  statement {
    sid       = "ListBuckets"
    actions   = ["s3:ListBucket"]
    resources = [var.documents_bucket_arn, var.artifacts_bucket_arn]
  }

  statement {
    sid       = "ReadArtifacts"
    actions   = ["s3:GetObject"]
    resources = ["${var.artifacts_bucket_arn}/*"]
  }

  # Reading decrypts; what a signed form uploads is encrypted in the name of whoever signed it.
  statement {
    sid       = "EncryptedObjects"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.amazonaws.com"]
    }
  }

  dynamic "statement" {
    for_each = length(var.bedrock.invoked_arns) > 0 ? [var.bedrock.invoked_arns] : []

    content {
      sid       = "AskModels"
      actions   = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
      resources = statement.value
    }
  }

  dynamic "statement" {
    for_each = length(var.bedrock.profile_arns) > 0 ? [var.bedrock.profile_arns] : []

    content {
      sid       = "LookUpProfiles"
      actions   = ["bedrock:GetInferenceProfile"]
      resources = statement.value
    }
  }

  # The action knows no resources; which model it may use is up to AskModels.
  dynamic "statement" {
    for_each = var.bedrock.reranks ? [true] : []

    content {
      sid       = "Rerank"
      actions   = ["bedrock:Rerank"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.bedrock.guardrail_arn == null ? [] : [var.bedrock.guardrail_arn]

    content {
      sid       = "ApplyGuardrail"
      actions   = ["bedrock:ApplyGuardrail"]
      resources = [statement.value]
    }
  }

  # Wraps and unwraps the data keys of tenants (FIELD_ENCRYPTION=kms).
  dynamic "statement" {
    for_each = var.fields_key_arn == null ? [] : [var.fields_key_arn]

    content {
      sid       = "StoredTexts"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = [statement.value]
    }
  }

  # X-Ray knows no resources.
  dynamic "statement" {
    for_each = var.tracing ? [true] : []

    content {
      sid       = "SendTraces"
      actions   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"]
      resources = ["*"]
    }
  }
}
