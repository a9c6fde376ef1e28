# An account for each job, with the roles that it needs and no key: Google's own services, Workload Identity of GKE and
# Workload Identity Federation of GitHub act as them.
resource "google_service_account" "trainer" {
  account_id   = "akin-trainer"
  display_name = "Akin: training jobs"
}

resource "google_service_account" "server" {
  account_id   = "akin-server"
  display_name = "Akin: API, page and Triton"
}

resource "google_service_account" "builder" {
  account_id   = "akin-builder"
  display_name = "Akin: builds of images"
}

resource "google_service_account" "promoter" {
  account_id   = "akin-promoter"
  display_name = "Akin: promotions and deployments"
}

locals {
  bucket_roles = {
    builder  = { role = "roles/storage.objectViewer", member = google_service_account.builder.member }
    trainer  = { role = "roles/storage.objectUser", member = google_service_account.trainer.member }
    server   = { role = "roles/storage.objectViewer", member = google_service_account.server.member }
    promoter = { role = "roles/storage.objectUser", member = google_service_account.promoter.member }
  }
  image_roles = {
    builder  = { role = "roles/artifactregistry.writer", member = google_service_account.builder.member }
    promoter = { role = "roles/artifactregistry.writer", member = google_service_account.promoter.member }
    trainer  = { role = "roles/artifactregistry.reader", member = google_service_account.trainer.member }
    server   = { role = "roles/artifactregistry.reader", member = google_service_account.server.member }
    # Vertex AI and Cloud Run fetch images as agents of their own, whatever account a job or a service runs as.
    vertex_service = {
      role   = "roles/artifactregistry.reader"
      member = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
    }
    vertex = {
      role   = "roles/artifactregistry.reader"
      member = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
    }
    run = {
      role   = "roles/artifactregistry.reader"
      member = "serviceAccount:service-${data.google_project.this.number}@serverless-robot-prod.iam.gserviceaccount.com"
    }
  }
  project_roles = {
    builder_logs    = { role = "roles/logging.logWriter", member = google_service_account.builder.member }
    trainer_logs    = { role = "roles/logging.logWriter", member = google_service_account.trainer.member }
    server_logs     = { role = "roles/logging.logWriter", member = google_service_account.server.member }
    server_metrics  = { role = "roles/monitoring.metricWriter", member = google_service_account.server.member }
    promoter_deploy = { role = "roles/run.developer", member = google_service_account.promoter.member }
    promoter_build  = { role = "roles/cloudbuild.builds.editor", member = google_service_account.promoter.member }
  }
}

resource "google_storage_bucket_iam_member" "bucket" {
  for_each = local.bucket_roles
  bucket   = google_storage_bucket.akin.name
  role     = each.value.role
  member   = each.value.member
}

resource "google_artifact_registry_repository_iam_member" "images" {
  for_each   = local.image_roles
  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = each.value.role
  member     = each.value.member
}

resource "google_project_iam_member" "project" {
  for_each = local.project_roles
  project  = var.project
  role     = each.value.role
  member   = each.value.member
}

resource "google_secret_manager_secret_iam_member" "wandb" {
  secret_id = google_secret_manager_secret.wandb.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.trainer.member
}

# A deployment makes a revision that runs as the server, so it must be allowed to act as it.
resource "google_service_account_iam_member" "promoter_acts_as_server" {
  service_account_id = google_service_account.server.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.promoter.member
}

resource "google_service_account_iam_member" "promoter_acts_as_builder" {
  service_account_id = google_service_account.builder.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.promoter.member
}

# People who start trainings: they start jobs that run as the trainer, follow the logs, and read the bucket.
resource "google_project_iam_member" "launchers_jobs" {
  for_each = toset(var.launchers)
  project  = var.project
  role     = "roles/aiplatform.user"
  member   = each.value
}

resource "google_project_iam_member" "launchers_logs" {
  for_each = toset(var.launchers)
  project  = var.project
  role     = "roles/logging.viewer"
  member   = each.value
}

resource "google_storage_bucket_iam_member" "launchers" {
  for_each = toset(var.launchers)
  bucket   = google_storage_bucket.akin.name
  role     = "roles/storage.objectUser"
  member   = each.value
}

resource "google_service_account_iam_member" "launchers_act_as_trainer" {
  for_each           = toset(var.launchers)
  service_account_id = google_service_account.trainer.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.value
}

resource "google_service_account_iam_member" "gke" {
  count              = var.gke_namespace == "" ? 0 : 1
  service_account_id = google_service_account.server.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${var.gke_namespace}/akin]"
}

resource "google_iam_workload_identity_pool" "github" {
  count                     = var.github == "" ? 0 : 1
  workload_identity_pool_id = "github"
  display_name              = "GitHub"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  count                              = var.github == "" ? 0 : 1
  workload_identity_pool_id          = google_iam_workload_identity_pool.github[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "actions"
  attribute_mapping = {
    "google.subject"        = "assertion.sub"
    "attribute.environment" = "assertion.environment"
    "attribute.repository"  = "assertion.repository"
  }
  # Only this repository, and only its jobs in the environment `production`, which a person approves.
  attribute_condition = "assertion.repository == '${var.github}' && assertion.environment == 'production'"
  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github" {
  count              = var.github == "" ? 0 : 1
  service_account_id = google_service_account.promoter.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github[0].name}/attribute.repository/${var.github}"
}

resource "google_cloud_run_v2_service_iam_member" "page" {
  count    = var.deployed && var.page_is_public ? 1 : 0
  name     = var.page
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}

# The smoke test of a promotion asks the API.
resource "google_cloud_run_v2_service_iam_member" "promoter_asks" {
  count    = var.deployed ? 1 : 0
  name     = var.service
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.promoter.member
}

# The uptime check asks the page also where it is not public.
resource "google_cloud_run_v2_service_iam_member" "uptime_asks" {
  count    = var.deployed ? 1 : 0
  name     = var.page
  location = var.region
  role     = "roles/run.invoker"
  member   = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
}
