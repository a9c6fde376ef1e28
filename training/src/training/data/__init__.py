"""Turn a corpus into splits, pairs and batches for training."""
