"""Check and measure everything that can run on a GPU, in steps that each have a time limit: docs/gpu.md.

Needs torch and sentence-transformers. A further package is imported by the step that needs it; without it, that step
says so in one line.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the steps that the command line names."""
    # Imported here: the process of a step imports this package, and needs none of the command.
    from benchmarks.gpu_check import command

    sys.exit(command.main(sys.argv[1:]))
