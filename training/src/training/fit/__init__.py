"""Fine-tune a sentence-transformers model."""
