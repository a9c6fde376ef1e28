"""The papers of a run as files of JSON lines: written once by `prepare`, read as a stream or by position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from papers import Paper
from training.errors import CorpusError

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Paper)


def write_paper(file: BinaryIO, paper: Paper) -> None:
    """Adds a paper to a file of them."""
    file.write(_encoder.encode(paper) + b"\n")


def read_corpus(path: Path) -> Iterator[Paper]:
    """The papers of a file, one after another.

    Raises:
        CorpusError: It cannot be read or was cut short.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                yield _decoder.decode(line)
    except (OSError, msgspec.DecodeError) as error:
        raise CorpusError(f"{path} cannot be read ({error}): run `prepare` again.") from error


class Corpus:
    """A file of papers, any of which can be read by its position; eight bytes of memory a paper."""

    def __init__(self, path: Path) -> None:
        """Goes through the file once to learn where each paper starts."""
        self._file = path.open("rb")
        starts, position = [], 0
        for line in self._file:
            starts.append(position)
            position += len(line)
        self._starts = np.array(starts, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Paper:
        self._file.seek(int(self._starts[index]))
        return _decoder.decode(self._file.readline())

    def __iter__(self) -> Iterator[Paper]:
        self._file.seek(0)
        for line in iter(self._file.readline, b""):
            yield _decoder.decode(line)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def shuffle(count: int, most: int | None, seed: int) -> Iterable[int]:
    """Positions in an order at random, `most` of them at most."""
    order = np.random.default_rng(seed).permutation(count)
    return (int(index) for index in order[: most or count])
