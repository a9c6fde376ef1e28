"""Training: from a sentence-transformers model to a version of the encoder that Triton serves.

`training/README.md` describes the folders. Code that serves never imports this package.
"""
