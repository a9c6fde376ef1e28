"""Batches in which no text occurs twice, and the check that the pairs fill at least one.

Most losses take the other texts of a batch as negatives. A text that occurs twice in a batch would be trained away from
itself. This module needs no torch, so that pairs are refused before it is loaded.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from training.errors import CorpusError

_NO_TEXTS = ("kind", "paper", "label")

Texts = list[frozenset[int]]
"""Numbers of the texts of each pair: equal for texts that differ in case and spaces at most."""


def number_texts(pair: Mapping[str, Any]) -> frozenset[int]:
    """Return the numbers of the texts of a pair, whatever the names of its columns."""
    return frozenset(hash(" ".join(text.casefold().split())) for name, text in pair.items() if name not in _NO_TEXTS)


def read_texts(pairs: Path) -> Texts:
    """Return the numbers of the texts of each pair of a file.

    Raises:
        CorpusError: The file cannot be read.
    """
    decoder = msgspec.json.Decoder(dict[str, Any])
    try:
        with pairs.open("rb") as file:
            return [number_texts(decoder.decode(line)) for line in file]
    except (OSError, msgspec.DecodeError) as error:
        raise CorpusError(f"{pairs} cannot be read ({error}): run `pairs` again.") from error


def sample_passages(pairs: Path, most: int = 20_000, seed: int = 0) -> list[str]:
    """Return the positives of a random sample of the pairs of a file.

    Raises:
        CorpusError: The file cannot be read.
    """
    decoder = msgspec.json.Decoder(dict[str, Any])
    try:
        with pairs.open("rb") as file:
            count = sum(1 for _ in file)
            chosen = set(random.Random(seed).sample(range(count), min(most, count)))
            file.seek(0)
            return [str(decoder.decode(line)["positive"]) for number, line in enumerate(file) if number in chosen]
    except (OSError, KeyError, msgspec.DecodeError) as error:
        raise CorpusError(f"{pairs} cannot be read ({error}): run `pairs` again.") from error


def fill_batches(texts: Texts, order: Iterable[int], size: int | None = None) -> list[list[int]]:
    """Put each pair into the first batch with room behind all batches that have one of its texts.

    The time grows linearly with the number of pairs, however often a text is repeated. Without repeated texts the
    batches are the order, cut into pieces.

    Args:
        texts: texts of all pairs.
        order: positions of the pairs to put into batches.
        size: pairs in a batch; None puts no limit, so that there are as many batches as the most frequent text needs.

    Returns:
        Positions in each batch. Any batch may have fewer than `size`.
    """
    batches: list[list[int]] = []
    last: dict[int, int] = {}
    following = [0]  # the number itself for a batch with room, else a later number
    for index in order:
        batch = 1 + max((last.get(text, -1) for text in texts[index]), default=-1)
        while following[batch] != batch:
            following[batch] = following[following[batch]]
            batch = following[batch]
        if batch == len(batches):
            batches.append([])
            following.append(batch + 1)
        batches[batch].append(index)
        if len(batches[batch]) == size:
            following[batch] = batch + 1
        last.update(dict.fromkeys(texts[index], batch))
    return batches


def require_batches(pairs: Path, size: int, *, processes: int = 1, distinct: bool = True) -> Texts:
    """Return the texts of the pairs of a file if they fill a batch for each process.

    Args:
        pairs: file of JSON lines.
        size: pairs in a batch.
        processes: processes that train; a step takes a batch for each.
        distinct: True if a text may be in a batch only once.

    Raises:
        CorpusError: They do not fill the batches of one step. The message gives the largest batch that they fill.
    """
    texts = read_texts(pairs)
    order = range(len(texts))
    full = sum(len(batch) == size for batch in fill_batches(texts, order, size)) if distinct else len(texts) // size
    if full >= processes:
        return texts
    usable = len(fill_batches(texts, order)[0]) if distinct and texts else len(texts)
    what = f"{len(texts):,} pairs" + (f", {usable:,} of them without a repeated text," if usable < len(texts) else "")
    needs = f"{size * processes:,}" + (f" ({processes} processes with {size:,} each)" if processes > 1 else "")
    largest = usable // processes
    smaller = f", or with trainer.batch_size={largest} at most" if largest > 1 else ""
    raise CorpusError(
        f"pairs: {what} do not fill the batches of one step, which take {needs}: trainer.batch_size is {size}. "
        f"Start a new run with more papers of different texts{smaller}."
    )


def read_kinds(pairs: Path) -> list[str]:
    """Return the kind of each pair of a file.

    Raises:
        CorpusError: The file cannot be read.
    """
    decoder = msgspec.json.Decoder(dict[str, Any])
    try:
        with pairs.open("rb") as file:
            return [str(decoder.decode(line).get("kind", "")) for line in file]
    except (OSError, msgspec.DecodeError) as error:
        raise CorpusError(f"{pairs} cannot be read ({error}): run `pairs` again.") from error


class WithoutRepeats:
    """Filter of a stream: of any `size` pairs in succession no two have a text in common."""

    def __init__(self, size: int) -> None:
        """Take the number of pairs in a batch."""
        self._recent: deque[frozenset[int]] = deque(maxlen=size - 1)

    def __call__(self, pair: Mapping[str, Any]) -> bool:
        """Return False for a pair that has a text of one of the last pairs that were kept."""
        texts = number_texts(pair)
        if any(not texts.isdisjoint(recent) for recent in self._recent):
            return False
        self._recent.append(texts)
        return True
