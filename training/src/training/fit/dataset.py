"""Dataset of pairs for the trainer, and the order in which its batches come. A batch holds pairs of one kind."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformerTrainer
from sentence_transformers.base.sampler import SetEpochMixin
from torch.utils.data import BatchSampler

from training.fit.batches import NO_TEXTS, UNNAMED_KIND, Texts, fill_batches, number_texts
from training.fit.losses import AddLabels

_SHUFFLE_BUFFER = 10_000
_FEWEST_BATCHES = 64
"""Batches in a shuffle buffer, so that the pairs that fill none are few."""


def load_tables(pairs: Path, cache: Path, add_labels: Mapping[str, AddLabels]) -> Any:
    """Return the pairs as a table for each kind, with the columns that a loss takes, in the order of the kinds' names.

    Args:
        pairs: file of JSON lines.
        cache: folder for the table that the library maps into memory.
        add_labels: functions that add a column of labels, by kind.
    """
    import datasets

    table: Any = datasets.Dataset.from_json(str(pairs), cache_dir=str(cache))
    kinds = table["kind"] if "kind" in table.column_names else [UNNAMED_KIND] * len(table)
    rows: dict[str, list[int]] = {}
    for index, kind in enumerate(kinds):
        rows.setdefault(kind, []).append(index)
    found = {}
    for kind in sorted(rows):
        of_kind = table.select(rows[kind])
        # A column that pairs of this kind do not have is empty in the common table.
        of_kind = of_kind.select_columns([name for name in _columns(table) if of_kind[0][name] is not None])
        if kind in add_labels:
            of_kind = of_kind.map(add_labels[kind], batched=True, batch_size=256)
        found[kind] = of_kind
    return datasets.DatasetDict(found)


def load_stream(
    pairs: Path, cache: Path, *, seed: int, add_labels: AddLabels | None, batch: int, distinct: bool, keep_blocks: bool
) -> Any:
    """Return the pairs as a stream of full batches: each of one kind and, if requested, without a text twice.

    Pairs are shuffled in a buffer, with another order in each epoch. Pairs that fill no batch of the buffer are left
    out.

    Args:
        pairs: file of JSON lines.
        cache: folder of the library.
        seed: seed of the order.
        add_labels: function that adds the column of labels, if the loss computes it.
        batch: pairs in a batch.
        distinct: True if a text may be in a batch only once.
        keep_blocks: True keeps pairs together that stand together in the file, and shuffles whole batches.
    """
    import datasets

    buffer = max(_SHUFFLE_BUFFER, _FEWEST_BATCHES * batch)
    dataset: Any = datasets.load_dataset(
        "json", data_files=str(pairs), streaming=True, split="train", cache_dir=str(cache)
    )
    first = next(iter(dataset))
    if not keep_blocks:
        dataset = dataset.shuffle(seed=seed, buffer_size=buffer)
    fill = functools.partial(_order_in_batches, size=batch, distinct=distinct, mix=not keep_blocks)
    dataset = dataset.map(fill, batched=True, batch_size=buffer, remove_columns=list(first))
    if keep_blocks:
        dataset = dataset.batch(batch).shuffle(seed=seed, buffer_size=buffer // batch)
        dataset = dataset.map(_unpack, batched=True, batch_size=1)
    texts = [name for name, text in first.items() if text is not None and name not in NO_TEXTS]
    features = datasets.Features(dict.fromkeys(texts, datasets.Value("string")))
    if add_labels is not None:
        dataset = dataset.select_columns(texts).map(add_labels, batched=True, batch_size=256)
        features["label"] = datasets.List(datasets.Value("int64"))
    elif first.get("label") is not None:
        features["label"] = datasets.Value("int64")
    # The trainer refuses a stream whose columns are not known before the first row.
    return dataset.select_columns(list(features)).cast(features)


def _order_in_batches(
    columns: Mapping[str, list[Any]], *, size: int, distinct: bool, mix: bool
) -> dict[str, list[Any]]:
    """Return rows in the order of full batches, in random order of the batches if `mix` is True."""
    count = len(next(iter(columns.values())))
    rows = [{name: column[row] for name, column in columns.items()} for row in range(count)]
    of_kind: dict[str, list[int]] = {}
    for row, pair in enumerate(rows):
        of_kind.setdefault(pair.get("kind") or UNNAMED_KIND, []).append(row)
    texts = [number_texts(pair) if distinct else frozenset[int]() for pair in rows]
    batches = [batch for members in of_kind.values() for batch in fill_batches(texts, members, size)]
    batches = [batch for batch in batches if len(batch) == size]
    if mix:
        # The rows are in another order in each epoch, and in the same one in a training that is continued.
        random.Random(str(rows[0])).shuffle(batches)
    return {name: [column[row] for batch in batches for row in batch] for name, column in columns.items()}


def _unpack(columns: Mapping[str, list[list[Any]]]) -> dict[str, list[Any]]:
    """Return the rows of one batch."""
    return {name: batches[0] for name, batches in columns.items()}


def _columns(table: Any) -> list[str]:
    return [name for name in table.column_names if name == "label" or name not in NO_TEXTS]


class PairBatches(SetEpochMixin, BatchSampler):
    """Full batches of one kind in random order, none with a text twice. Each kind has its share of the batches.

    The order depends on seed and epoch only, so that a resumed training continues with the batches it would have had.
    """

    def __init__(self, texts: Mapping[str, Texts], size: int, *, seed: int = 0, keep_blocks: bool = False) -> None:
        """Take the texts of each pair by kind, in the order of the tables that are joined to one.

        Args:
            texts: texts of each pair that may be in a batch only once.
            size: pairs in a batch.
            seed: seed of the order.
            keep_blocks: True keeps pairs together that stand together in the file; only the order of the batches is
                random then.
        """
        super().__init__(range(sum(map(len, texts.values()))), size, drop_last=True)
        self._texts = [of_kind for found in texts.values() for of_kind in found]
        self._counts = [len(found) for found in texts.values()]
        self._seed, self._keep_blocks = seed, keep_blocks
        self._length: int | None = None

    def __iter__(self) -> Iterator[list[int]]:
        rng = torch.Generator().manual_seed(self._seed + self.epoch)
        batches = self._fill(rng)
        for number in torch.randperm(len(batches), generator=rng).tolist():
            yield batches[number]

    def __len__(self) -> int:
        """Return the number of batches of the first epoch; if texts are repeated, a later one may differ slightly."""
        if self._length is None:
            self._length = len(self._fill(torch.Generator().manual_seed(self._seed)))
        return self._length

    def _fill(self, rng: torch.Generator) -> list[list[int]]:
        batches, start = [], 0
        for count in self._counts:
            order = torch.arange(count) if self._keep_blocks else torch.randperm(count, generator=rng)
            batches += fill_batches(self._texts, (order + start).tolist(), self.batch_size)
            start += count
        return [batch for batch in batches if len(batch) == self.batch_size]


class PairTrainer(SentenceTransformerTrainer):
    """Trainer that takes its batches of tables from `PairBatches`.

    It is not passed as an argument of the training, because each checkpoint contains those.
    """

    def __init__(self, *, batches: PairBatches | None, **arguments: Any) -> None:
        """Take the batches (None for a stream) and the library's arguments."""
        self._batches = batches
        super().__init__(**arguments)

    def get_multi_dataset_batch_sampler(self, *_: Any, **__: Any) -> Any:
        """Return the batches; the library's own would repeat the first epoch in each following one."""
        return self._batches
