"""Which papers train, steer the training or are held out: by time, and never apart from a near-duplicate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

UNDATED = 0


class Part(IntEnum):
    """Where a paper goes. `NONE` is for newer versions of what trains, and for second members of a held-out group."""

    NONE = 0
    TRAIN = 1
    VALIDATION = 2
    HELD_OUT = 3


@dataclass(frozen=True)
class Sizes:
    """Groups at most in the two newest parts, and the most of all groups that each may take."""

    validation: int
    held_out: int
    validation_share: float
    held_out_share: float


def split(days: NDArray[np.int32], group: NDArray[np.int32], sizes: Sizes) -> NDArray[np.int8]:
    """Assigns papers to parts.

    Groups stand in the order of their oldest member; the newest groups are held out, those before them validate, the
    rest trains. Of a group that trains, members are left out that are as new as what is held out or validates; of the
    other groups only the oldest member is kept, as a search for one of two equal papers has no right answer.

    Args:
        days: of publication, as ordinals; `UNDATED` counts as oldest. [papers]
        group: of near-duplicates. [papers]
        sizes: of the parts.

    Returns:
        `Part`, int8 [papers].
    """
    # Oldest first; equal days in the order of the file.
    order = np.lexsort((np.arange(len(days)), days))
    firsts = order[np.sort(np.unique(group[order], return_index=True)[1])]
    held_out = min(sizes.held_out, int(len(firsts) * sizes.held_out_share))
    validation = min(sizes.validation, int(len(firsts) * sizes.validation_share))
    part = np.full(len(days), Part.NONE, dtype=np.int8)
    cut = len(firsts) - held_out - validation
    part[firsts[cut : cut + validation]] = Part.VALIDATION
    part[firsts[cut + validation :]] = Part.HELD_OUT
    trains = np.isin(group, group[firsts[:cut]])
    # Where everything has one date (or none), there is no time to split by and the groups alone decide.
    newest = days[firsts[cut]] if cut < len(firsts) else np.iinfo(np.int32).max
    old_enough = (days < newest) | np.isin(np.arange(len(days)), firsts[:cut]) | (days == UNDATED)
    part[trains & old_enough] = Part.TRAIN
    return part
