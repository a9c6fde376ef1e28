"""`python -m benchmarks NAME [options]`."""

from __future__ import annotations

import importlib
import sys

NAMES = ("conditions", "encoder", "fusion", "gpu", "long_queries", "relevance", "retrieval")


def main() -> None:
    """Runs one measurement."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        print(f"which one? make bench NAME={'|'.join(NAMES)}", file=sys.stderr)
        sys.exit(2)
    name = sys.argv.pop(1)
    importlib.import_module(f"benchmarks.{name}").main()


main()
