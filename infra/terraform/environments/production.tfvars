# What users use.
environment = "production"
region      = "eu-central-1"
size        = "medium"
protected   = true

domain_name = "groundwork.example.com"
# zone_id   = "Z…" or certificate_arn = "arn:aws:acm:…": -var, or a file of your own beside this one

chat_model      = "bedrock:eu.anthropic.claude-sonnet-4-5-20250929-v1:0,bedrock:eu.amazon.nova-lite-v1:0"
embedding_model = "bedrock:amazon.titan-embed-text-v2:0"
rerank_model    = "bedrock:cohere.rerank-v3-5:0"

backup_days        = 35
keep_logs_days     = 365
monthly_budget_usd = 3000
tracing            = true
cache              = false

schedules = {
  usage-check = {
    description = "Whether the usage ledger adds up to what the traces say"
    expression  = "cron(30 3 * * ? *)"
    command     = ["python", "scripts/reconcile_usage.py"]
  }

  evaluation = {
    description = "Whether models and prompts still answer the handbook's questions; name a set of your own in their place"
    expression  = "cron(0 3 * * ? *)"
    command = [
      "python", "scripts/run_evaluation.py", "--dataset", "eval/datasets/handbook.jsonl", "--corpus", "docs/sample",
      "--model-version", "nightly", "--output", "/tmp/results.json",
    ]
  }
}
