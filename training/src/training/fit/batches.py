"""Batches of one kind of pairs in which no text occurs twice, and the check that the pairs fill at least one.

Most losses take the other texts of a batch as negatives. A text that occurs twice in a batch would be trained away from
itself, and a near-duplicate from its equal. This module needs no torch, so that pairs are refused before it is loaded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from training.errors import CorpusError

UNNAMED_KIND = "pairs"
"""Kind of pairs that name none."""

SINGLE_TEXTS = "texts"
"""Kind of pairs that have an anchor only."""

NO_TEXTS = ("kind", "label", "groups")
"""Names of a pair's values that are no texts."""

Texts = list[frozenset[int]]
"""Numbers of the texts of each pair, and of the groups of near-duplicates that its papers belong to.

They are equal for texts that differ in case and spaces at most."""


@dataclass(frozen=True)
class PairFile:
    """Pairs that a loss learns from.

    Attributes:
        path: file of JSON lines.
        kinds: kinds of its pairs that belong to the loss.
        store: folder for vectors of teachers, which other runs use again.
    """

    path: Path
    kinds: frozenset[str]
    store: Path

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the pairs.

        Raises:
            CorpusError: The file cannot be read.
        """
        return (pair for pair in _read(self.path) if pair.get("kind", UNNAMED_KIND) in self.kinds)


def number_texts(pair: Mapping[str, Any]) -> frozenset[int]:
    """Return the numbers of the texts and groups of a pair, whatever the names of its columns."""
    texts = (" ".join(text.casefold().split()) for name, text in pair.items() if text and name not in NO_TEXTS)
    return frozenset([*map(hash, texts), *(hash(("group", group)) for group in pair.get("groups") or ())])


def read_texts(pairs: Path) -> dict[str, Texts]:
    """Return the numbers of the texts of each pair of a file by the pairs' kind, in the order of the file.

    Raises:
        CorpusError: The file cannot be read.
    """
    found: dict[str, Texts] = {}
    for pair in _read(pairs):
        found.setdefault(pair.get("kind", UNNAMED_KIND), []).append(number_texts(pair))
    return dict(sorted(found.items()))


def sample_passages(pairs: Path, most: int = 20_000, seed: int = 0) -> list[str]:
    """Return the positives of a random sample of the pairs of a file; single texts have none.

    Raises:
        CorpusError: The file cannot be read.
    """
    decoder = msgspec.json.Decoder(dict[str, Any])
    try:
        with pairs.open("rb") as file:
            count = sum(1 for _ in file)
            chosen = set(random.Random(seed).sample(range(count), min(most, count)))
            file.seek(0)
            sample = (decoder.decode(line) for number, line in enumerate(file) if number in chosen)
            return [pair["positive"] for pair in sample if "positive" in pair]
    except (OSError, msgspec.DecodeError) as error:
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


def require_batches(
    pairs: Path, size: int, *, processes: int = 1, distinct: Callable[[str], bool] = lambda kind: True
) -> dict[str, Texts]:
    """Return the texts of the pairs of a file by kind if they fill a batch for each process.

    A batch holds pairs of one kind. The texts of a kind in which they may be repeated are left out.

    Args:
        pairs: file of JSON lines.
        size: pairs in a batch.
        processes: processes that train; a step takes a batch for each.
        distinct: function that returns True for a kind of which a text may be in a batch only once.

    Raises:
        CorpusError: They do not fill the batches of one step. The message gives the largest batch that they fill.
    """
    texts: dict[str, Texts] = {
        kind: found if distinct(kind) else [frozenset()] * len(found) for kind, found in read_texts(pairs).items()
    }
    filled = [fill_batches(found, range(len(found)), size) for found in texts.values()]
    if sum(len(batch) == size for batches in filled for batch in batches) >= processes:
        return texts
    usable = [len(fill_batches(found, range(len(found)))[0]) for found in texts.values()]
    count = sum(map(len, texts.values()))
    what = f"{count:,} pairs"
    if len(texts) > 1:
        what += f" of {len(texts)} kinds"
    if sum(usable) < count:
        what += f", {sum(usable):,} of them without a repeated text,"
    needs = f"{size * processes:,}" + (f" ({processes} processes with {size:,} each)" if processes > 1 else "")
    if len(texts) > 1:
        needs += " of one kind in each batch"
    largest = _largest_batch(usable, processes)
    smaller = f", or with trainer.batch_size={largest} at most" if largest > 1 else ""
    raise CorpusError(
        f"pairs: {what} do not fill the batches of one step, which take {needs}: trainer.batch_size is {size}. "
        f"Start a new run with more papers of different texts{smaller}."
    )


def _largest_batch(usable: list[int], processes: int) -> int:
    """Return the largest size of which the kinds together fill one batch for each process."""
    sizes = {found // count for found in usable for count in range(1, processes + 1)} - {0}
    return max((size for size in sizes if sum(found // size for found in usable) >= processes), default=0)


def _read(pairs: Path) -> Iterator[dict[str, Any]]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    try:
        with pairs.open("rb") as file:
            yield from map(decoder.decode, file)
    except (OSError, msgspec.DecodeError) as error:
        raise CorpusError(f"{pairs} cannot be read ({error}): run `pairs` again.") from error
