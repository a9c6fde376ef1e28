"""Papers of a run as files of JSON lines: `prepare` writes them once; they are read as a stream or by position."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper
from training.errors import CorpusError

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Paper)


def _groups_of(path: Path) -> Path:
    return path.with_suffix(".groups.npy")


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


def write_groups(path: Path, groups: NDArray[np.int32]) -> None:
    """Write the group of near-duplicates of each paper of a file beside it."""
    np.save(_groups_of(path), groups)


class TrainingCorpus:
    """File of papers that can be read by position; it keeps twelve bytes of memory for each paper.

    Attributes:
        groups: group of near-duplicates of each paper, int32 [papers].
    """

    def __init__(self, path: Path) -> None:
        """Read the file once to find the start of each paper. Without a file of groups no paper has a duplicate.

        Raises:
            CorpusError: The groups are of another file of papers.
        """
        starts, position = [], 0
        with path.open("rb") as file:
            for line in file:
                starts.append(position)
                position += len(line)
        self._starts = np.array(starts, dtype=np.int64)
        groups = _groups_of(path)
        self.groups: NDArray[np.int32] = np.load(groups) if groups.exists() else np.arange(len(starts), dtype=np.int32)
        if len(self.groups) != len(starts):
            raise CorpusError(f"{groups} is of another number of papers than {path}: run `prepare` again.")
        self._file = path.open("rb")

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
