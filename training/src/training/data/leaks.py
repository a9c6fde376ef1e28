"""Papers of a corpus that are also in a test collection: no encoder may be trained on what it is measured on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper
from akin.relevance import read_collection
from akin.relevance.duplicates import MinHash, Signatures
from akin.relevance.errors import RelevanceError
from training.errors import CorpusError


def read_test_texts(folders: list[Path]) -> Iterator[Paper]:
    """Yield the passages and the queries of test collections, each as a paper.

    Papers that a collection was only placed among are left out, because they answer no query.

    Raises:
        CorpusError: A collection cannot be read.
    """
    try:
        for folder in folders:
            collection = read_collection(folder)
            if "distractors" in collection.about:
                collection = read_collection(folder / collection.about["set"])
            yield from collection.papers()
            for identity, query in collection.queries.items():
                yield Paper(id=f"query {identity}", title=query, abstract=query)
    except RelevanceError as error:
        raise CorpusError(f"evaluation.sets: {error}") from error


def find_duplicates(
    signatures: NDArray[np.uint64], group: NDArray[np.int32], texts: Iterator[Paper], minhash: MinHash
) -> NDArray[np.bool_]:
    """Return True for each paper that has the title of one of the texts or is a near-duplicate of one of them.

    Args:
        signatures: signature of each paper. [papers, numbers]
        group: group of near-duplicates of each paper: if one of a group is found, all of it are. [papers]
        texts: texts to compare with.
        minhash: functions that made the signatures.
    """
    found: list[Signatures] = [minhash.signature(text) for text in texts]
    if not found:
        return np.zeros(len(group), dtype=np.bool_)
    other = np.stack(found)
    same = np.zeros(len(group), dtype=np.bool_)
    for column in range(other.shape[1]):
        same |= np.isin(signatures[:, column], other[:, column])
    return np.isin(group, group[same])
