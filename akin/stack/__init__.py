"""Run the local stack: start, watch, restart and stop Triton, the service and the page."""
