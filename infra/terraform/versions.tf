terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }

  # The rest comes from backends/<environment>.s3.tfbackend, by `terraform init -backend-config=…`.
  backend "s3" {}
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Application = "groundwork"
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}
