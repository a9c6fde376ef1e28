"""Where the sentences of an abstract end, well enough to cut it in two."""

from __future__ import annotations

import re

# A new sentence starts with a capital, a bracket or a formula; "e.g." and "et al." are followed by neither, mostly.
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9($\\])")


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order; their joining with spaces gives the text again."""
    return [part for part in _END.split(text.strip()) if part]


def halves(text: str) -> tuple[str, str] | None:
    """A text cut between the two sentences that are nearest to its middle; None where it is one sentence."""
    parts = sentences(text)
    if len(parts) < 2:
        return None
    ends = [sum(len(part) + 1 for part in parts[: count + 1]) for count in range(len(parts) - 1)]
    cut = min(range(len(ends)), key=lambda index: abs(ends[index] - len(text) / 2)) + 1
    return " ".join(parts[:cut]), " ".join(parts[cut:])
