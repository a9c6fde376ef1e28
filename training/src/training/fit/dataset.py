"""Dataset of pairs for the trainer, and the order in which its batches come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

from training.fit.batches import Texts, WithoutRepeats, fill_batches
from training.fit.losses import AddLabels

_SHUFFLE_BUFFER = 10_000


def load_dataset(
    pairs: Path,
    cache: Path,
    *,
    streaming: bool,
    shuffle_seed: int | None,
    add_labels: AddLabels | None,
    batch: int | None,
) -> Any:
    """Return the pairs as a dataset with the columns that a loss takes.

    Args:
        pairs: file of JSON lines.
        cache: folder for the table that the library maps into memory.
        streaming: read the file as a stream instead.
        shuffle_seed: seed to shuffle a stream with; None keeps its order. A table is shuffled by its sampler.
        add_labels: function that adds the column of labels, if the loss computes it.
        batch: pairs in a batch of a stream in which no text may occur twice; None permits repeated texts. A table's
            sampler sees to it.
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
    dataset = dataset.select_columns([name for name in columns if name not in ("kind", "paper")])
    if streaming and shuffle_seed is not None:
        dataset = dataset.shuffle(seed=shuffle_seed, buffer_size=_SHUFFLE_BUFFER)
    if streaming and batch is not None:
        dataset = dataset.filter(WithoutRepeats(batch))
    return dataset if add_labels is None else dataset.map(add_labels, batched=True, batch_size=256)


class PairBatches(DefaultBatchSampler):
    """Batches of pairs in random order, none with a text twice if texts are given, of one kind each if kinds are given.

    The order depends on seed and epoch only, so that a resumed training continues with the batches it would have had.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        drop_last: bool,
        valid_label_columns: list[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
        *,
        texts: Texts | None = None,
        kinds: Sequence[str] | None = None,
        keep_blocks: bool = False,
    ) -> None:
        """Take the arguments that sentence-transformers gives a sampler; of the generator only the seed is used.

        Args:
            dataset: table of pairs.
            batch_size: pairs in a batch.
            drop_last: True leaves out batches that are not full.
            valid_label_columns: not used.
            generator: gives the seed.
            seed: seed without a generator.
            texts: texts of each pair; None lets a text occur several times in a batch.
            kinds: kind of each pair; a batch has pairs of one kind only. None lets kinds mix.
            keep_blocks: True keeps pairs together that stand together in the file; only the order of the batches is
                random then.
        """
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        self._size = len(dataset)
        self._seed = generator.initial_seed() if generator is not None else seed
        self._texts = texts if texts is not None else [frozenset[int]()] * self._size
        self._kinds = np.unique(kinds, return_inverse=True)[1] if kinds is not None else np.zeros(self._size, np.int64)
        self._keep_blocks = keep_blocks
        self._count: int | None = None

    def __iter__(self) -> Iterator[list[int]]:
        rng = torch.Generator().manual_seed(self._seed + getattr(self, "epoch", 0))
        batches = self._batches(rng)
        # The order of blocks, or of kinds, is not random yet.
        if self._keep_blocks or self._kinds.any():
            batches = [batches[number] for number in torch.randperm(len(batches), generator=rng).tolist()]
        yield from batches

    def __len__(self) -> int:
        """Return the number of batches of the first epoch; if texts are repeated, a later one may differ slightly."""
        if self._count is None:
            self._count = len(self._batches(torch.Generator().manual_seed(self._seed)))
        return self._count

    def _batches(self, rng: torch.Generator) -> list[list[int]]:
        order = np.arange(self._size)
        if not self._keep_blocks:
            order = torch.randperm(self._size, generator=rng).numpy()
        of_kind = self._kinds[order]
        batches: list[list[int]] = []
        for kind in range(self._kinds.max(initial=0) + 1):
            batches += fill_batches(self._texts, order[of_kind == kind].tolist(), self.batch_size)
        return [batch for batch in batches if len(batch) == self.batch_size or not self.drop_last]
