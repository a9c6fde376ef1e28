"""Estimate in production how many of the nearest papers the vector index finds."""
