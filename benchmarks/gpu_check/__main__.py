"""Run the command: `python -m benchmarks.gpu_check`."""

from __future__ import annotations

from benchmarks.gpu_check import main

if __name__ == "__main__":
    main()
