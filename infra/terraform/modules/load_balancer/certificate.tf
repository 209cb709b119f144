# With a zone of Route 53, the certificate is asked for, proven and renewed by itself; otherwise one is given.

locals {
  certificate_arn = var.zone_id == null ? var.certificate_arn : aws_acm_certificate_validation.this[0].certificate_arn
}

resource "aws_acm_certificate" "this" {
  count = var.zone_id == null ? 0 : 1

  domain_name       = var.domain_name
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = var.zone_id == null ? toset([]) : toset([var.domain_name])

  zone_id = var.zone_id
  name    = one([for option in aws_acm_certificate.this[0].domain_validation_options : option.resource_record_name])
  type    = one([for option in aws_acm_certificate.this[0].domain_validation_options : option.resource_record_type])
  records = [one([for option in aws_acm_certificate.this[0].domain_validation_options : option.resource_record_value])]
  ttl     = 60

  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  count = var.zone_id == null ? 0 : 1

  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

resource "aws_route53_record" "service" {
  for_each = var.zone_id == null ? toset([]) : toset(["A"])

  zone_id = var.zone_id
  name    = var.domain_name
  type    = each.key

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = true
  }
}
