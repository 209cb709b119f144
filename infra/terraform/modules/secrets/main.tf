# Secrets without values: those are put in by hand, once, so that none stands in the state.

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:The pepper can't change without ending every API key; keys of other services are changed where they are made.
  for_each = var.secrets

  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = var.data_key_arn
  recovery_window_in_days = var.recovery_days
}
