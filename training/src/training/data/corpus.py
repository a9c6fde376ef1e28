"""Papers of a run as files of JSON lines: `prepare` writes them once; they are read as a stream or by position."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from papers import Paper
from training.errors import CorpusError

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Paper)


def write_paper(file: BinaryIO, paper: Paper) -> None:
    """Append a paper to a file."""
    file.write(_encoder.encode(paper) + b"\n")


def read_corpus(path: Path) -> Iterator[Paper]:
    """Yield the papers of a file.

    Raises:
        CorpusError: The file cannot be read or is truncated.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                yield _decoder.decode(line)
    except (OSError, msgspec.DecodeError) as error:
        raise CorpusError(f"{path} cannot be read ({error}): run `prepare` again.") from error


class TrainingCorpus:
    """File of papers that can be read by position; it keeps eight bytes of memory for each paper."""

    def __init__(self, path: Path) -> None:
        """Read the file once to find the start of each paper."""
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
        """Close the file."""
        self._file.close()
