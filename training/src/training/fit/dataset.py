"""Dataset of pairs for the trainer, and the order in which its batches come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

from training.fit.losses import AddLabels

_SHUFFLE_BUFFER = 10_000


def load_dataset(
    pairs: Path, cache: Path, *, streaming: bool, shuffle_seed: int | None, add_labels: AddLabels | None
) -> Any:
    """Return the pairs as a dataset with the columns that a loss takes.

    Args:
        pairs: file of JSON lines.
        cache: folder for the table that the library maps into memory.
        streaming: read the file as a stream instead.
        shuffle_seed: seed to shuffle a stream with; None keeps its order. A table is shuffled by its sampler.
        add_labels: function that adds the column of labels, if the loss computes it.
    """
    import datasets

    dataset: Any
    if streaming:
        dataset = datasets.load_dataset(
            "json", data_files=str(pairs), streaming=True, split="train", cache_dir=str(cache)
        )
        columns = list(next(iter(dataset)))
    else:
        dataset = datasets.Dataset.from_json(str(pairs), cache_dir=str(cache))
        columns = dataset.column_names
    dataset = dataset.select_columns([name for name in columns if name != "kind"])
    if streaming and shuffle_seed is not None:
        dataset = dataset.shuffle(seed=shuffle_seed, buffer_size=_SHUFFLE_BUFFER)
    return dataset if add_labels is None else dataset.map(add_labels, batched=True, batch_size=256)


class RandomBatches(DefaultBatchSampler):
    """Batches of pairs in random order.

    The order depends on seed and epoch only, so that a resumed training continues with the batches it would have had.
    """

    keep_blocks = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        drop_last: bool,
        valid_label_columns: list[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
    ) -> None:
        """Take the arguments that sentence-transformers gives a sampler; of the generator only the seed is used."""
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        self._size = len(dataset)
        self._seed = generator.initial_seed() if generator is not None else seed

    def __iter__(self) -> Iterator[list[int]]:
        rng = torch.Generator().manual_seed(self._seed + getattr(self, "epoch", 0))
        if self.keep_blocks:
            order = torch.arange(self._size)
            starts = torch.randperm(len(self), generator=rng) * self.batch_size
        else:
            order = torch.randperm(self._size, generator=rng)
            starts = torch.arange(len(self)) * self.batch_size
        for start in starts.tolist():
            yield order[start : start + self.batch_size].tolist()

    def __len__(self) -> int:
        whole, left = divmod(self._size, self.batch_size)
        return whole + (1 if left and not self.drop_last else 0)


class BlockBatches(RandomBatches):
    """Batches of pairs that stand together in the file; only the order of the batches is random."""

    keep_blocks = True
