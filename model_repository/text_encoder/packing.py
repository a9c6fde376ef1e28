"""How texts become runs: what lies in one row, which rows run at once, and how much padding that takes.

A run has one shape. Short texts are laid end to end in rows of one length, where the graph can tell them apart; longer
ones have a row each, padded to the next of a few lengths. All shapes there can be are known beforehand (`shapes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

# Numbers of rows that a run may have.
ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 24, 32, 48, 64)
# What starting one more run costs, in tokens of work: about 1.3 ms where a token takes 33 microseconds.
RUN_OVERHEAD = 40
# What attention costs: a token among so many costs twice as much as one among none.
ATTENTION_DOUBLES = 1150
# The lengths of rows that several texts share; a row that runs by itself is cut to a multiple of the step.
SHARED_LENGTHS = (64, 96, 128)
SHARED_STEP = 16
# The most texts in a row.
SLOTS = 16


class Shape(NamedTuple):
    """The shape of a run: rows, tokens of each, and the most texts of one."""

    rows: int
    length: int
    slots: int


class Run(NamedTuple):
    """What the graph reads at once.

    Attributes:
        rows: of each row the positions of its texts, in the order in which they lie there.
        length: tokens of a row, padding and all.
        slots: the most texts of a row.
    """

    rows: list[list[int]]
    length: int
    slots: int

    @property
    def members(self) -> list[int]:
        """The positions of all its texts."""
        return [member for row in self.rows for member in row]

    @property
    def shape(self) -> Shape:
        """Its shape, with rows to spare where no shape has just as many."""
        return Shape(padded_rows(len(self.rows)), self.length, self.slots)


def plan(lengths: Sequence[int], texts: Sequence[int], max_length: int, budget: int, *, shares_rows: bool) -> list[Run]:
    """Cuts texts into runs with little work in total.

    Args:
        lengths: Tokens of each text, none over `max_length`.
        texts: The positions of the texts to run.
        max_length: The longest length that the encoder reads.
        budget: The most padded tokens in one run; a single row may be longer.
        shares_rows: Whether several texts may lie in one row.

    Returns:
        The runs, the longest rows first.
    """
    if not shares_rows:
        return split(lengths, texts, max_length, budget)
    plans = []
    for row_length in SHARED_LENGTHS:
        short = [at for at in texts if lengths[at] <= row_length]
        rest = [at for at in texts if lengths[at] > row_length]
        plans.append(split(lengths, rest, max_length, budget) + shared(lengths, short, row_length, budget))
    return min(plans, key=lambda runs: sum(work(run.shape.rows, run.length) for run in runs))


def shared(lengths: Sequence[int], texts: Sequence[int], row_length: int, budget: int) -> list[Run]:
    """Runs of rows that several texts share: each text, the longest first, goes where it leaves the least room."""
    rows: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(row_length + 1)]
    for text in sorted(texts, key=lengths.__getitem__, reverse=True):
        room = next((room for room in range(lengths[text], row_length + 1) if by_room[room]), None)
        if room is None:
            room = row_length
            by_room[room].append(len(rows))
            rows.append([])
        row = by_room[room].pop()
        rows[row].append(text)
        if len(rows[row]) < SLOTS:
            by_room[room - lengths[text]].append(row)
    runs = []
    for size in run_sizes(len(rows), row_length, budget):
        runs.append(Run(rows[:size], row_length, SLOTS))
        rows = rows[size:]
    return [cut(run, lengths) for run in runs]


def cut(run: Run, lengths: Sequence[int]) -> Run:
    """A row that runs by itself without most of its room."""
    if len(run.rows) > 1:
        return run
    taken = sum(lengths[text] for text in run.rows[0])
    return run._replace(length=-(-taken // SHARED_STEP) * SHARED_STEP)


@cache
def run_sizes(rows: int, length: int, budget: int) -> list[int]:
    """The numbers of rows of the runs that take so many rows of one length with the least work.

    The cheapest way for each number is known from the cheapest ways for fewer (dynamic programming); the last run may
    have rows to spare.
    """
    best: list[tuple[float, int]] = [(0.0, 0)]
    for wanted in range(1, rows + 1):
        best.append(min((best[max(wanted - size, 0)][0] + work(size, length), size) for size in sizes(length, budget)))
    taken = []
    while rows > 0:
        taken.append(best[rows][1])
        rows -= taken[-1]
    return taken


def split(lengths: Sequence[int], texts: Sequence[int], max_length: int, budget: int) -> list[Run]:
    """Runs of texts with a row each, of like lengths.

    Over the texts in order of length, the cheapest cut before each position is known from the cheapest cuts before it
    (dynamic programming). The run of the shortest texts may have rows to spare.
    """
    order = sorted(texts, key=lengths.__getitem__)
    best: list[tuple[float, int]] = [
        (0.0, 0)
    ]  # for each number of texts: the work of them all, and the last run's rows
    for end, last in enumerate(order, start=1):
        length = bucket(lengths[last], max_length)
        best.append(min((best[max(end - rows, 0)][0] + work(rows, length), rows) for rows in sizes(length, budget)))
    runs = []
    end = len(order)
    while end:
        start = max(end - best[end][1], 0)
        runs.append(Run([[text] for text in order[start:end]], bucket(lengths[order[end - 1]], max_length), 1))
        end = start
    return runs


def deal(lengths: Sequence[int], lanes: int) -> list[list[int]]:
    """The positions of the texts, in parts of like work: one for each lane, or a single one where little is to be done.

    Each text, the longest first, goes to the part with the least so far.
    """
    if lanes == 1 or sum(lengths) <= lanes * RUN_OVERHEAD:
        return [list(range(len(lengths)))]
    parts: list[list[int]] = [[] for _ in range(min(lanes, len(lengths)))]
    loads = [0.0] * len(parts)
    for text in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        least = loads.index(min(loads))
        parts[least].append(text)
        loads[least] += work(1, lengths[text]) - RUN_OVERHEAD
    return parts


def work(rows: int, length: int) -> float:
    """What a run costs, in tokens of a short text."""
    return rows * length * (1 + length / ATTENTION_DOUBLES) + RUN_OVERHEAD


def padded_rows(rows: int) -> int:
    """The rows of a run that needs so many."""
    return next(each for each in ROWS if each >= rows)


@cache
def bucket(length: int, max_length: int) -> int:
    """The padded length of a text of `length` tokens with a row of its own.

    Padding is work for nothing, and every length is a shape to be kept warm: short texts, whose padding is the larger
    share, have the finer steps.
    """
    step = 4 if length <= 32 else 8 if length <= 64 else 16
    return min(max_length, max(8, -(-length // step) * step))


@cache
def sizes(length: int, budget: int) -> list[int]:
    """The numbers of rows that run at one length under a budget of tokens."""
    return [rows for rows in ROWS if rows == 1 or rows * length <= budget]


def shapes(max_length: int, budget: int, *, shares_rows: bool) -> list[Shape]:
    """Every shape that `plan` can produce."""
    shortest = SHARED_LENGTHS[0] + 1 if shares_rows else 1
    lengths = sorted({bucket(length, max_length) for length in range(shortest, max_length + 1)})
    alone = [Shape(rows, length, 1) for length in lengths for rows in sizes(length, budget)]
    if not shares_rows:
        return alone
    one_row = [Shape(1, length, SLOTS) for length in range(SHARED_STEP, SHARED_LENGTHS[-1] + 1, SHARED_STEP)]
    several = [Shape(rows, length, SLOTS) for length in SHARED_LENGTHS for rows in sizes(length, budget)[1:]]
    return one_row + several + alone
