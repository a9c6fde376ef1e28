"""Train and serve on Google Cloud: jobs of Vertex AI, revisions of Cloud Run, folders of Kustomize."""
