"""The encoder beside what one would use instead: throughput, latency, CPU, memory and fidelity, all in one run.

`make bench NAME=encoder ARGS="[corpus] [--quick] [--parts …]"`; the long measurements are `ARGS="memory"` and
`ARGS="search"`. The environments of the peers are made the first time.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the comparison, or one of the long measurements."""
    # Imported here: the peers' own environments import this package, and have nothing of the project's.
    from benchmarks.encoder import command

    command.main(sys.argv[1:])
