output "images" {
  description = "Address below which images are."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}

output "accounts" {
  description = "Accounts for cloud.toml and for the variables of the workflows."
  value = {
    builder  = google_service_account.builder.email
    trainer  = google_service_account.trainer.email
    server   = google_service_account.server.email
    promoter = google_service_account.promoter.email
  }
}

output "workload_identity_provider" {
  description = "WORKLOAD_IDENTITY_PROVIDER of the workflows."
  value       = one(google_iam_workload_identity_pool_provider.github[*].name)
}
