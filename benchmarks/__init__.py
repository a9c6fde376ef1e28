"""Benchmarks: each module is one, run with `make bench NAME=…`; its results are written to `data/benchmarks/`."""
