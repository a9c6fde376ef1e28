"""Run one benchmark: `python -m benchmarks NAME [options]`."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "arrivals",
    "browser",
    "conditions",
    "drift",
    "encoder",
    "fleet",
    "fusion",
    "gpu",
    "long_queries",
    "references",
    "relevance",
    "reranking",
    "resolving",
    "retrieval",
)


def main() -> None:
    """Run the benchmark that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        print(f"name a benchmark: make bench NAME={'|'.join(NAMES)}", file=sys.stderr)
        sys.exit(2)
    name = sys.argv.pop(1)
    importlib.import_module(f"benchmarks.{name}").main()


main()
