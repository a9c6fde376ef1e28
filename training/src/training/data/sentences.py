"""Cut of an abstract into two halves, between two of its sentences."""

from __future__ import annotations

from papers.sentences import split_sentences


def halves(text: str) -> tuple[str, str] | None:
    """Return a text cut at the end of the sentence that is nearest to its middle; None if it has one sentence only."""
    parts = split_sentences(text)
    if len(parts) < 2:
        return None
    ends = [sum(len(part) + 1 for part in parts[: count + 1]) for count in range(len(parts) - 1)]
    cut = min(range(len(ends)), key=lambda index: abs(ends[index] - len(text) / 2)) + 1
    return " ".join(parts[:cut]), " ".join(parts[cut:])
