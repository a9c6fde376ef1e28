variable "project" {
  description = "Id of the project."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "The project is its id: 6 to 30 lower-case letters, digits and dashes."
  }
}

variable "region" {
  description = "Region of images, buckets, jobs and services."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket of models, snapshots, runs and inputs; names are unique in the world."
  type        = string
}

variable "prefix" {
  description = "Folder in the bucket below which everything lies, with a slash at the end, as in cloud.toml; empty for none."
  type        = string
  default     = ""
}

variable "repository" {
  description = "Name of the repository of Artifact Registry."
  type        = string
  default     = "akin"
}

variable "github" {
  description = "Repository on GitHub whose workflows may act for the promotion, OWNER/NAME; empty for none."
  type        = string
  default     = ""
}

variable "build_connection" {
  description = "Repository of Cloud Build (projects/…/connections/…/repositories/…) whose pushes are built; empty for no trigger."
  type        = string
  default     = ""
}

variable "branch" {
  description = "Branch whose pushes are built."
  type        = string
  default     = "main"
}

variable "service" {
  description = "Name of the Cloud Run service of the API, as in cloud.toml."
  type        = string
  default     = "akin"
}

variable "page" {
  description = "Name of the Cloud Run service of the page, as in cloud.toml."
  type        = string
  default     = "akin-page"
}

variable "deployed" {
  description = "Both services of Cloud Run exist, so that their callers can be set."
  type        = bool
  default     = false
}

variable "launchers" {
  description = "People who may start trainings, such as user:ada@example.org."
  type        = list(string)
  default     = []
}

variable "page_host" {
  description = "Host name of the page, which the uptime check asks for; empty before the first deployment."
  type        = string
  default     = ""
}

variable "page_is_public" {
  description = "Let everyone reach the page."
  type        = bool
  default     = false
}

variable "gke_namespace" {
  description = "Namespace of the pods that act as the serving account; empty without GKE."
  type        = string
  default     = ""
}

variable "alert_email" {
  description = "Address that alerts are sent to."
  type        = string
}

variable "error_ratio" {
  description = "Share of requests answered with 5xx that raises an alert."
  type        = number
  default     = 0.01
}

variable "latency_ms" {
  description = "95th percentile of the latency that raises an alert, in milliseconds."
  type        = number
  default     = 1000
}

variable "most_requests" {
  description = "Requests a second that raise an alert: more than was planned for."
  type        = number
  default     = 100
}

variable "billing_account" {
  description = "Account that pays, for the budget; empty for no budget."
  type        = string
  default     = ""
}

variable "budget" {
  description = "Money for the project in a month, in the currency of the billing account."
  type        = number
  default     = 100
}

variable "keep_inputs_days" {
  description = "Days after which the inputs of runs and the sources of builds are deleted."
  type        = number
  default     = 90
}
