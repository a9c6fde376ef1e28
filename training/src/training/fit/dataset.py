"""Dataset of pairs for the trainer, and the order in which its batches come. A batch holds pairs of one kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformerTrainer
from sentence_transformers.base.sampler import SetEpochMixin
from torch.utils.data import BatchSampler

from training.fit.batches import NO_TEXTS, UNNAMED_KIND, Texts, WithoutRepeats, fill_batches
from training.fit.losses import AddLabels

_SHUFFLE_BUFFER = 10_000


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
    pairs: Path, cache: Path, *, shuffle_seed: int | None, add_labels: AddLabels | None, batch: int | None
) -> Any:
    """Return the pairs as a stream.

    Args:
        pairs: file of JSON lines.
        cache: folder of the library.
        shuffle_seed: seed to shuffle the stream with; None keeps its order.
        add_labels: function that adds the column of labels, if the loss computes it.
        batch: pairs in a batch in which no text may occur twice; None permits repeated texts.
    """
    import datasets

    dataset: Any = datasets.load_dataset(
        "json", data_files=str(pairs), streaming=True, split="train", cache_dir=str(cache)
    )
    if shuffle_seed is not None:
        dataset = dataset.shuffle(seed=shuffle_seed, buffer_size=_SHUFFLE_BUFFER)
    if batch is not None:
        dataset = dataset.filter(WithoutRepeats(batch))
    first = next(iter(dataset))
    dataset = dataset.select_columns([name for name in first if name == "label" or name not in NO_TEXTS])
    return dataset if add_labels is None else dataset.map(add_labels, batched=True, batch_size=256)


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
