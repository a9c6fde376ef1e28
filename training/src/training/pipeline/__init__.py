"""Run the stages of a training run in order, from configuration to a published version."""
