locals {
  run      = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=one_of(\"${var.service}\", \"${var.page}\")"
  requests = "${local.run} AND metric.type=\"run.googleapis.com/request_count\""
  failures = "${local.requests} AND metric.labels.response_code_class=\"5xx\""
  latency  = "${local.run} AND metric.type=\"run.googleapis.com/request_latencies\""
}

resource "google_monitoring_notification_channel" "email" {
  display_name = "Akin: alerts"
  type         = "email"
  labels       = { email_address = var.alert_email }
  depends_on   = [google_project_service.needed]
}

resource "google_monitoring_alert_policy" "requests" {
  display_name          = "Akin: many requests"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = "more than ${var.most_requests} requests a second"
    condition_threshold {
      filter          = local.requests
      comparison      = "COMPARISON_GT"
      threshold_value = var.most_requests
      duration        = "300s"
      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_RATE"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.service_name"]
      }
    }
  }

  documentation {
    content = "More than was planned for. Look at the dashboard: if the latency rises too, raise serve.largest and deploy; if one client asks, set AKIN_RATE_LIMIT."
  }
}

resource "google_monitoring_alert_policy" "errors" {
  display_name          = "Akin: errors"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = "more than ${var.error_ratio * 100} % of the requests fail"
    condition_threshold {
      filter             = local.failures
      denominator_filter = local.requests
      comparison         = "COMPARISON_GT"
      threshold_value    = var.error_ratio
      duration           = "300s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_RATE"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.service_name"]
      }
      denominator_aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_RATE"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.service_name"]
      }
    }
  }

  documentation {
    content = "Look at the log of the newest revision. If it began with a deployment, give the traffic back: docs/cloud.md, Going back."
  }
}

resource "google_monitoring_alert_policy" "latency" {
  display_name          = "Akin: slow"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = "95th percentile above ${var.latency_ms} ms"
    condition_threshold {
      filter          = local.latency
      comparison      = "COMPARISON_GT"
      threshold_value = var.latency_ms
      duration        = "600s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_PERCENTILE_95"
        cross_series_reducer = "REDUCE_MAX"
        group_by_fields      = ["resource.label.service_name"]
      }
    }
  }

  documentation {
    content = "Look at the processors in the dashboard: at their limit, raise serve.largest and deploy. A page's stream of events counts as one long request."
  }
}

resource "google_monitoring_uptime_check_config" "page" {
  count        = var.page_host == "" ? 0 : 1
  display_name = "Akin: page"
  timeout      = "10s"
  period       = "300s"

  http_check {
    path           = "/"
    port           = 443
    use_ssl        = true
    validate_ssl   = true
    request_method = "GET"
    # A page that is not public answers only with this token.
    service_agent_authentication {
      type = "OIDC_TOKEN"
    }
  }

  content_matchers {
    content = "<title>"
    matcher = "CONTAINS_STRING"
  }

  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project, host = var.page_host }
  }
}

resource "google_monitoring_alert_policy" "uptime" {
  count                 = var.page_host == "" ? 0 : 1
  display_name          = "Akin: page cannot be reached"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = "two regions cannot reach the page"
    condition_threshold {
      filter          = "resource.type=\"uptime_url\" AND metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND metric.labels.check_id=\"${google_monitoring_uptime_check_config.page[0].uptime_check_id}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "300s"
      aggregations {
        alignment_period     = "1200s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }
    }
  }

  documentation {
    content = "Open the page. If it answers with 403, readers may not reach it any more: look at the invokers of the service."
  }
}

resource "google_monitoring_dashboard" "akin" {
  dashboard_json = templatefile("${path.module}/dashboard.json.tftpl", {
    requests = jsonencode(local.requests)
    failures = jsonencode(local.failures)
    latency  = jsonencode(local.latency)
    run      = local.run
  })
  depends_on = [google_project_service.needed]
}

resource "google_billing_budget" "month" {
  count           = var.billing_account == "" ? 0 : 1
  billing_account = var.billing_account
  display_name    = "Akin: a month"

  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }

  amount {
    specified_amount {
      units = tostring(floor(var.budget))
    }
  }

  threshold_rules {
    threshold_percent = 0.5
  }
  threshold_rules {
    threshold_percent = 0.9
  }
  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = [google_monitoring_notification_channel.email.id]
  }
}
