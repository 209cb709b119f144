# For trying things out: small, cheap, and gone with one `terraform destroy`.
environment = "dev"
region      = "eu-central-1"
size        = "small"
protected   = false

domain_name = "groundwork-dev.example.com"
# zone_id   = "Z…" or certificate_arn = "arn:aws:acm:…": -var, or a file of your own beside this one

chat_model      = "bedrock:eu.amazon.nova-lite-v1:0"
embedding_model = "bedrock:amazon.titan-embed-text-v2:0"
rerank_model    = "none"

backup_days        = 7
keep_logs_days     = 30
monthly_budget_usd = 300
tracing            = false

schedules = {
  usage-check = {
    description = "Whether the usage ledger adds up to what the traces say"
    expression  = "cron(30 3 * * ? *)"
    command     = ["python", "scripts/reconcile_usage.py"]
  }
}
