"""Read learned weights of words for papers, from a file of JSON lines.

    {"id": "1706.03762", "weights": {"attention": 2.41, "transformer": 2.2, "translation": 1.3}}

A model of the user's choice made them; `python -m training.sparse` writes such a file.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

import msgspec

from retrieval_service.adapters.english import english_analyzer
from retrieval_service.adapters.learned_words import LEVELS, Learned, bit_terms
from retrieval_service.adapters.spellings import pair_letters
from retrieval_service.adapters.tex import to_plain_text
from retrieval_service.errors import SnapshotError


class _Line(msgspec.Struct):
    id: str
    weights: dict[str, float]


class LearnedWeights:
    """File of weights, open as long as this object is used; only the places of its lines are in memory.

    Attributes:
        record: what the index says about the weights.
    """

    def __init__(self, path: Path) -> None:
        """Read the whole file once.

        Raises:
            SnapshotError: It cannot be read, or a line is not a paper's weights; the message names the line.
        """
        self._path = path
        self._decoder = msgspec.json.Decoder(_Line)
        self._starts: dict[str, int] = {}
        self._analyzer = english_analyzer()
        digest, start, greatest = hashlib.sha256(), 0, 0.0
        try:
            self._file = path.open("rb")
            weakref.finalize(self, self._file.close)
            for number, line in enumerate(self._file, 1):
                digest.update(line)
                if line.strip():
                    found = self._read(line, number)
                    if found.id in self._starts:
                        raise SnapshotError(f"{path}, line {number}: the paper {found.id} has an earlier line too.")
                    self._starts[found.id] = start
                    greatest = max(greatest, *found.weights.values(), 0.0)
                start += len(line)
        except OSError as error:
            raise SnapshotError(f"{path} cannot be read: {error.strerror}.") from error
        if not greatest:
            raise SnapshotError(f"{path} has no weight above 0: there is nothing to rank by.")
        self.record = Learned(greatest, path.name, digest.hexdigest())

    def terms(self, paper: str) -> Iterator[str]:
        """Yield the terms of a paper's weights for the lexical index.

        Raises:
            SnapshotError: The file has no line for the paper.
        """
        start = self._starts.get(paper)
        if start is None:
            raise SnapshotError(
                f"{self._path} has no weights for the paper {paper}: it must have a line for each indexed paper."
            )
        self._file.seek(start)
        line = self._file.readline()
        levels: dict[str, int] = {}
        for word, weight in self._decoder.decode(line).weights.items():
            level = round(weight / self.record.greatest * LEVELS)
            for term in self._analyzer.analyze(pair_letters(to_plain_text(word))):
                levels[term] = max(level, levels.get(term, 0))
        for term, level in levels.items():
            yield from bit_terms(term, level)

    def _read(self, line: bytes, number: int) -> _Line:
        try:
            found = self._decoder.decode(line)
        except msgspec.DecodeError as error:
            raise SnapshotError(
                f'{self._path}, line {number}: {error}. A line is {{"id": "…", "weights": {{"word": 1.5}}}}.'
            ) from error
        for word, weight in found.weights.items():
            if not (isfinite(weight) and weight >= 0):
                raise SnapshotError(f"{self._path}, line {number}: the weight of {word!r} must be 0 or more.")
        return found
