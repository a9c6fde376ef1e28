"""Measurements: each module is one, run with `make bench NAME=…`; what it found goes to `data/benchmarks/`."""
