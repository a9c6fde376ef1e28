# A push to the branch checks, tests and builds every image (cloudbuild.yaml).
resource "google_cloudbuild_trigger" "images" {
  count           = var.build_connection == "" ? 0 : 1
  name            = "akin-images"
  location        = var.region
  filename        = "cloudbuild.yaml"
  service_account = google_service_account.builder.id

  repository_event_config {
    repository = var.build_connection
    push {
      branch = "^${var.branch}$"
    }
  }

  substitutions = {
    _REGION     = var.region
    _REPOSITORY = google_artifact_registry_repository.images.repository_id
    _TAG        = "$SHORT_SHA"
    _REVISION   = "$COMMIT_SHA"
    _SOURCE     = "$REPO_FULL_NAME"
  }

  depends_on = [google_project_service.needed]
}
