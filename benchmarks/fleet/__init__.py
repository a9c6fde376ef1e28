"""Simulate a fleet: measure the times of one machine, simulate it, compare both, and predict larger loads.

    make bench NAME=fleet ARGS="compare arxiv_10k.jsonl.gz"      # measure, simulate, print the ratios
    make bench NAME=fleet ARGS="predict"                         # machines, p99, money, charts of docs/scaling.md

docs/scaling.md names every assumption of the model.
"""

from benchmarks.fleet.command import main

__all__ = ["main"]
