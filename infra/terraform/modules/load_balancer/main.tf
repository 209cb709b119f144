# HTTPS in front of the API: two target groups, of which a deployment moves weight from one to the other.

locals {
  versions = ["stable", "canary"]
}

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_150:Protected from deletion unless the environment says otherwise.
  #checkov:skip=CKV2_AWS_28:The module firewall attaches the web ACL.
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = var.subnet_ids
  security_groups            = [var.security_group_id]
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  enable_deletion_protection = var.deletion_protection

  # A stream says something every 10 seconds; an answer that is not streamed may take REQUEST_TIMEOUT_S.
  idle_timeout = 120

  access_logs {
    bucket  = var.logs_bucket
    prefix  = "load-balancer"
    enabled = true
  }
}

resource "aws_lb_target_group" "api" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it, only its security group reaches the tasks.
  for_each = toset(local.versions)

  name                 = "${var.name}-${each.key}"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = var.service_port
  deregistration_delay = 65 # longer than any answer may take

  health_check {
    path                = "/health/ready"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = local.certificate_arn

  default_action {
    type = "forward"

    forward {
      dynamic "target_group" {
        for_each = { stable = 100, canary = 0 }

        content {
          arn    = aws_lb_target_group.api[target_group.key].arn
          weight = target_group.value
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [default_action] # deployments move the weights

    precondition {
      condition     = var.zone_id != null || var.certificate_arn != null
      error_message = "Give zone_id, so that a certificate can be made, or certificate_arn."
    }
  }
}

resource "aws_lb_listener" "redirect" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTP"
  port              = 80

  default_action {
    type = "redirect"

    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

# What Prometheus reads is for the inside.
resource "aws_lb_listener_rule" "metrics" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "application/json"
      message_body = jsonencode({ type = "about:blank", title = "Not Found", status = 404 })
      status_code  = "404"
    }
  }

  condition {
    path_pattern {
      values = ["/metrics", "/metrics/*"]
    }
  }
}

# A deployment asks the canary its smoke questions before any user does. While there is no canary the answer is a 503,
# and these set off alarms: so the header's value is one that strangers can't guess.
locals {
  canary_key = substr(sha256(aws_lb_target_group.api["canary"].arn), 0, 32)
}

resource "aws_lb_listener_rule" "canary" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 20

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api["canary"].arn
  }

  condition {
    http_header {
      http_header_name = "X-Groundwork-Version"
      values           = [local.canary_key]
    }
  }
}
