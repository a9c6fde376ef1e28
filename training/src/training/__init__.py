"""Training: from a sentence-transformers model to a version of the encoder that Triton serves.

`python -m training.registry.export` makes a version. Nothing that serves imports this package.
"""
