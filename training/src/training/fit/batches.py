"""The order of the pairs: at random, or in the blocks that mining put them in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from sentence_transformers.base.sampler import DefaultBatchSampler


class Batches(DefaultBatchSampler):
    """Batches of rows by chance; the same for the same seed and epoch, so that a resumed run goes on where it was."""

    in_blocks = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        drop_last: bool,
        valid_label_columns: list[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
    ) -> None:
        """Takes what sentence-transformers gives a sampler; the generator is not used, only its first seed."""
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        self._rows = len(dataset)
        self._seed = generator.initial_seed() if generator is not None else seed

    def __iter__(self) -> Iterator[list[int]]:
        rng = torch.Generator().manual_seed(self._seed + getattr(self, "epoch", 0))
        if self.in_blocks:
            rows = torch.arange(self._rows)
            starts = torch.randperm(len(self), generator=rng) * self.batch_size
        else:
            rows = torch.randperm(self._rows, generator=rng)
            starts = torch.arange(len(self)) * self.batch_size
        for start in starts.tolist():
            yield rows[start : start + self.batch_size].tolist()

    def __len__(self) -> int:
        whole, left = divmod(self._rows, self.batch_size)
        return whole + (1 if left and not self.drop_last else 0)


class Blocks(Batches):
    """Batches of rows that stand together, the batches in an order at random."""

    in_blocks = True
