# What an environment is made of. docs/infrastructure.md says what each costs in a month.

locals {
  sizes = {
    # One team, office hours; may be away for minutes when a zone is lost.
    small = {
      tasks = {
        api       = { cpu = 1024, memory = 2048, min_tasks = 1, max_tasks = 2 }
        worker    = { cpu = 1024, memory = 4096, min_tasks = 1, max_tasks = 2 }
        migration = { cpu = 512, memory = 1024 }
      }
      database = {
        instance_class          = "db.t4g.medium"
        memory_gb               = 4
        storage_gb              = 50
        maintenance_work_mem_mb = 512
        multi_az                = false
        replica                 = false
      }
      cache               = { node_type = "cache.t4g.micro", nodes = 1 }
      single_nat          = true
      interface_endpoints = []
      spot_workers        = true
    }

    # A company: no single zone matters.
    medium = {
      tasks = {
        api       = { cpu = 2048, memory = 4096, min_tasks = 2, max_tasks = 10 }
        worker    = { cpu = 2048, memory = 8192, min_tasks = 2, max_tasks = 10 }
        migration = { cpu = 512, memory = 1024 }
      }
      database = {
        instance_class          = "db.r7g.large"
        memory_gb               = 16
        storage_gb              = 200
        maintenance_work_mem_mb = 2048
        multi_az                = true
        replica                 = false
      }
      cache               = { node_type = "cache.t4g.small", nodes = 2 }
      single_nat          = false
      interface_endpoints = local.endpoints
      spot_workers        = false
    }

    # Millions of chunks: the index stays in memory, searches go to a replica too.
    large = {
      tasks = {
        api       = { cpu = 4096, memory = 8192, min_tasks = 4, max_tasks = 20 }
        worker    = { cpu = 4096, memory = 16384, min_tasks = 2, max_tasks = 20 }
        migration = { cpu = 512, memory = 1024 }
      }
      database = {
        instance_class          = "db.r7g.2xlarge"
        memory_gb               = 64
        storage_gb              = 1000
        maintenance_work_mem_mb = 8192
        multi_az                = true
        replica                 = true
      }
      cache               = { node_type = "cache.r7g.large", nodes = 2 }
      single_nat          = false
      interface_endpoints = local.endpoints
      spot_workers        = false
    }
  }

  size = local.sizes[var.size]

  endpoints = ["bedrock-runtime", "bedrock-agent-runtime", "ecr.api", "ecr.dkr", "kms", "logs", "secretsmanager", "sqs"]
}
