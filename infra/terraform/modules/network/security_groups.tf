# Who may open connections to whom. Groups are made first and name each other in rules, so that none waits for
# another.

locals {
  groups = {
    load_balancer = "The load balancer"
    tasks         = "Tasks of the service"
    database      = "The database"
    cache         = "The cache"
    endpoints     = "Endpoints of AWS services"
  }

  # from -> to, by port.
  inside = {
    load_balancer_tasks = { from = "load_balancer", to = "tasks", port = var.service_port }
    tasks_database      = { from = "tasks", to = "database", port = 5432 }
    tasks_cache         = { from = "tasks", to = "cache", port = 6379 }
    tasks_endpoints     = { from = "tasks", to = "endpoints", port = 443 }
  }
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:Other modules attach them.
  for_each = local.groups

  name        = "${var.name}-${replace(each.key, "_", "-")}"
  description = each.value
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-${replace(each.key, "_", "-")}" }
}

resource "aws_vpc_security_group_ingress_rule" "inside" {
  for_each = local.inside

  security_group_id            = aws_security_group.this[each.value.to].id
  referenced_security_group_id = aws_security_group.this[each.value.from].id
  description                  = "From ${replace(each.value.from, "_", " ")}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "inside" {
  for_each = local.inside

  security_group_id            = aws_security_group.this[each.value.from].id
  referenced_security_group_id = aws_security_group.this[each.value.to].id
  description                  = "To ${replace(each.value.to, "_", " ")}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = { for pair in setproduct(var.client_cidrs, [80, 443]) : "${pair[0]}-${pair[1]}" => pair }

  #checkov:skip=CKV_AWS_260:Port 80 answers with a redirect to HTTPS and nothing else.
  security_group_id = aws_security_group.this["load_balancer"].id
  description       = each.value[1] == 80 ? "Clients, to be sent on to HTTPS" : "Clients"
  cidr_ipv4         = each.value[0]
  ip_protocol       = "tcp"
  from_port         = each.value[1]
  to_port           = each.value[1]
}

# Keys of other identity providers, web sources, LangSmith, and the AWS services without an endpoint here.
resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this["tasks"].id
  description       = "HTTPS to anywhere, by way of NAT"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
