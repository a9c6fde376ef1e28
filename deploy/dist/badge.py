"""Print the badge of a coverage report as JSON that shields.io draws: `python deploy/dist/badge.py coverage.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

COLOURS = ((90, "brightgreen"), (80, "green"), (70, "yellow"), (0, "red"))


def badge(percent: float) -> dict[str, object]:
    """Return the badge of a percentage, rounded down, so that it never says more than was measured."""
    colour = next(name for least, name in COLOURS if percent >= least)
    return {"schemaVersion": 1, "label": "coverage", "message": f"{int(percent)} %", "color": colour}


if __name__ == "__main__":
    report = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    print(json.dumps(badge(report["totals"]["percent_covered"])))
