"""Publish a compressed model as a version of the encoder, with its manifest and model card."""
