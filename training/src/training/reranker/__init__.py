"""Train a reranker: a cross-encoder that reads a query and a passage together and gives one score."""
