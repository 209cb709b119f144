output "vault" {
  description = "Where snapshots are."
  value       = aws_backup_vault.this.name
}

output "selection" {
  description = "What is backed up."
  value       = one(aws_backup_selection.this[*].name)
}
