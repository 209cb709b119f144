# What makes no sense is refused before anything is made.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment     = "dev"
  region          = "eu-central-1"
  size            = "small"
  domain_name     = "groundwork.example.com"
  certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
  chat_model      = "local:extractive"
  embedding_model = "local:all-MiniLM-L6-v2"
  schedules       = {}
}

run "environment" {
  command = plan

  variables {
    environment = "live"
  }

  expect_failures = [var.environment]
}

run "region" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "size" {
  command = plan

  variables {
    size = "huge"
  }

  expect_failures = [var.size]
}

run "domain_name" {
  command = plan

  variables {
    domain_name = "https://groundwork.example.com"
  }

  expect_failures = [var.domain_name]
}

run "network_cidr" {
  command = plan

  variables {
    network_cidr = "10.0.0.0/24"
  }

  expect_failures = [var.network_cidr]
}

run "client_cidrs" {
  command = plan

  variables {
    client_cidrs = []
  }

  expect_failures = [var.client_cidrs]
}

run "zones" {
  command = plan

  variables {
    zones = ["a", "b"]
  }

  expect_failures = [var.zones]
}

run "cpu_architecture" {
  command = plan

  variables {
    cpu_architecture = "arm"
  }

  expect_failures = [var.cpu_architecture]
}

run "postgres_version" {
  command = plan

  variables {
    postgres_version = "15.8"
  }

  expect_failures = [var.postgres_version]
}

run "backup_days" {
  command = plan

  variables {
    backup_days = 1
  }

  expect_failures = [var.backup_days]
}

run "keep_logs_days" {
  command = plan

  variables {
    keep_logs_days = 45
  }

  expect_failures = [var.keep_logs_days]
}

run "upload_origins" {
  command = plan

  variables {
    upload_origins = ["*"]
  }

  expect_failures = [var.upload_origins]
}

run "github_repository" {
  command = plan

  variables {
    github_repository = "groundwork"
  }

  expect_failures = [var.github_repository]
}

run "requests_per_5_minutes" {
  command = plan

  variables {
    requests_per_5_minutes = 1
  }

  expect_failures = [var.requests_per_5_minutes]
}

run "secrets_among_the_settings" {
  command = plan

  variables {
    settings = { LANGSMITH_API_KEY = "lsv2_1" }
  }

  expect_failures = [var.settings]
}

run "names_that_are_no_settings" {
  command = plan

  variables {
    settings = { "log level" = "DEBUG" }
  }

  expect_failures = [var.settings]
}

run "schedules" {
  command = plan

  variables {
    schedules = { nightly = { description = "Nightly", expression = "0 2 * * *", command = ["true"] } }
  }

  expect_failures = [var.schedules]
}
