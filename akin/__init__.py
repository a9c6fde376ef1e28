"""Akin's command line, and the local stack: Triton, the service and the page as child processes."""
