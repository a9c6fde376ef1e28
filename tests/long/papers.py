"""Write papers whose texts share some of their words."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = "graph neural sparse quantum lattice protein ocean galaxy prime solver speech robot market virus plasma".split()


def write_papers(path: Path, count: int) -> Path:
    """Write so many papers as JSON lines, and return the path."""
    lines = []
    for number in range(count):
        own = [WORDS[(number * step) % len(WORDS)] for step in (1, 2, 4, 7)]
        abstract = f"We study {own[0]} and {own[1]}. The {own[2]} of {own[3]} is measured in {number} ways."
        lines.append(json.dumps({"id": f"p{number}", "title": f"{own[0]} {own[1]} {number}", "abstract": abstract}))
    path.write_text("\n".join(lines) + "\n")
    return path
