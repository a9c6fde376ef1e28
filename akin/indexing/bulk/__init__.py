"""Embed papers in bulk, on one machine or on a cluster of Ray, into Parquet files that a build reads."""
