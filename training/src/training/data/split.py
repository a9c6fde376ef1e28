"""Split of a corpus into parts that train, validate or are held out: by time, with near-duplicates kept together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

UNDATED = 0


class SplitPart(IntEnum):
    """Part of the corpus. `NONE` is for papers that would let one part contain a near-duplicate of another part."""

    NONE = 0
    TRAIN = 1
    VALIDATION = 2
    HELD_OUT = 3


@dataclass(frozen=True)
class Sizes:
    """Largest sizes of the two newest parts.

    Attributes:
        validation: groups at most in the validation part.
        held_out: groups at most in the held-out part.
        validation_share: largest share of all groups in the validation part.
        held_out_share: largest share of all groups in the held-out part.
    """

    validation: int
    held_out: int
    validation_share: float
    held_out_share: float


def split(days: NDArray[np.int32], group: NDArray[np.int32], sizes: Sizes) -> NDArray[np.int8]:
    """Assign papers to parts.

    Groups are ordered by their oldest member: the newest groups are held out, the groups before them validate, the
    others train. In a group that trains, members that are as new as the other two parts are left out. In the other
    groups only the oldest member is kept, because a search for one of two equal papers has no right answer.

    Args:
        days: days of publication as ordinals; `UNDATED` counts as oldest. [papers]
        group: groups of near-duplicates. [papers]
        sizes: largest sizes of the parts.

    Returns:
        `SplitPart`, int8 [papers].
    """
    # Oldest first; equal days in the order of the file.
    order = np.lexsort((np.arange(len(days)), days))
    firsts = order[np.sort(np.unique(group[order], return_index=True)[1])]
    held_out = min(sizes.held_out, int(len(firsts) * sizes.held_out_share))
    validation = min(sizes.validation, int(len(firsts) * sizes.validation_share))
    part = np.full(len(days), SplitPart.NONE, dtype=np.int8)
    cut = len(firsts) - held_out - validation
    part[firsts[cut : cut + validation]] = SplitPart.VALIDATION
    part[firsts[cut + validation :]] = SplitPart.HELD_OUT
    trains = np.isin(group, group[firsts[:cut]])
    # If all papers have one date or none, time cannot split them: the order of the groups decides alone.
    newest = days[firsts[cut]] if cut < len(firsts) else np.iinfo(np.int32).max
    old_enough = (days < newest) | np.isin(np.arange(len(days)), firsts[:cut]) | (days == UNDATED)
    part[trains & old_enough] = SplitPart.TRAIN
    return part
