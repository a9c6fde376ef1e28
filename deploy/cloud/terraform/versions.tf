# Everything that docs/cloud.md needs in a project. State and names are yours: see docs/cloud.md.
terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.0"
    }
  }
}

provider "google" {
  project               = var.project
  region                = var.region
  billing_project       = var.project
  user_project_override = true # the interface of budgets asks for a project to charge
}

data "google_project" "this" {
  project_id = var.project
}
