"""Collect a sample of the searches that are answered, where the operator has turned that on."""
