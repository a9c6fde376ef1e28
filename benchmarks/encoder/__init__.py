"""Compare the encoder with its alternatives: throughput, latency, CPU, memory and fidelity, all in one run.

`make bench NAME=encoder ARGS="[corpus] [--quick] [--parts …]"`; the long measurements are `ARGS="memory"` and
`ARGS="search"`. The environments of the peers are made at the first run.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the comparison, or one of the long measurements."""
    # Imported here: processes in the peers' environments import this package, and these lack the project's libraries.
    from benchmarks.encoder import command

    command.main(sys.argv[1:])
