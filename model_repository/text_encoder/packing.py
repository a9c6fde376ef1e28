"""Plan the runs of a graph: which texts share a row, which rows run together, and their padded length.

Every run has one shape. Short texts are laid end to end in rows of one length if the graph can separate them; longer
texts have a row each, padded to one of a few lengths. `shapes` lists all shapes in advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

# The numbers of rows that a run may have.
ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 24, 32, 48, 64)
# The cost of starting a run, in tokens: about 1.3 ms if a token takes 33 microseconds.
RUN_OVERHEAD = 40
# The row length at which attention doubles the cost of a token.
ATTENTION_DOUBLES = 1150
# The lengths of shared rows; a shared row that runs alone is cut to a multiple of the step.
SHARED_LENGTHS = (64, 96, 128)
SHARED_STEP = 16
# The most texts in a row.
SLOTS = 16
# The longest row whose padding is a multiple of 16 tokens; longer rows have few lengths, as they share no run anyway.
FINE_LENGTH = 512


class Shape(NamedTuple):
    """Shape of a run: rows, tokens in each row, and the most texts in a row."""

    rows: int
    length: int
    slots: int


class Run(NamedTuple):
    """Input of the graph at one time.

    Attributes:
        rows: For each row, the positions of its texts in order.
        length: The tokens of a row, with padding.
        slots: The most texts in a row.
    """

    rows: list[list[int]]
    length: int
    slots: int

    @property
    def members(self) -> list[int]:
        """Return the positions of all texts."""
        return [member for row in self.rows for member in row]

    @property
    def shape(self) -> Shape:
        """Return its shape, with spare rows if no shape has exactly as many."""
        return Shape(padded_rows(len(self.rows)), self.length, self.slots)


def plan(lengths: Sequence[int], texts: Sequence[int], max_length: int, budget: int, *, shares_rows: bool) -> list[Run]:
    """Distribute texts over runs so that the total work is small.

    Args:
        lengths: The tokens of each text, at most `max_length`.
        texts: The positions of the texts to run.
        max_length: The most tokens of a text that the encoder reads.
        budget: The most padded tokens in a run; a run of one row may be longer.
        shares_rows: True if several texts may share a row.

    Returns:
        The runs, the longest rows first.
    """
    if not shares_rows:
        return pack_single_rows(lengths, texts, max_length, budget)
    plans = []
    for row_length in SHARED_LENGTHS:
        short = [at for at in texts if lengths[at] <= row_length]
        rest = [at for at in texts if lengths[at] > row_length]
        plans.append(
            pack_single_rows(lengths, rest, max_length, budget) + pack_shared_rows(lengths, short, row_length, budget)
        )
    return min(plans, key=lambda runs: sum(work(run.shape.rows, run.length) for run in runs))


def pack_shared_rows(lengths: Sequence[int], texts: Sequence[int], row_length: int, budget: int) -> list[Run]:
    """Return runs of shared rows. Each text, the longest first, goes to the row where it leaves the least room."""
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
    """Return a run with its unused end cut off if it has only one row."""
    if len(run.rows) > 1:
        return run
    taken = sum(lengths[text] for text in run.rows[0])
    return run._replace(length=-(-taken // SHARED_STEP) * SHARED_STEP)


@cache
def run_sizes(rows: int, length: int, budget: int) -> list[int]:
    """Return the numbers of rows of the runs that hold `rows` rows of one length with the least work.

    Dynamic programming: the best solution for each number follows from those for smaller numbers. One run may have
    spare rows.
    """
    best: list[tuple[float, int]] = [(0.0, 0)]
    for wanted in range(1, rows + 1):
        best.append(min((best[max(wanted - size, 0)][0] + work(size, length), size) for size in sizes(length, budget)))
    taken = []
    while rows > 0:
        taken.append(best[rows][1])
        rows -= taken[-1]
    return taken


def pack_single_rows(lengths: Sequence[int], texts: Sequence[int], max_length: int, budget: int) -> list[Run]:
    """Return runs of texts of similar length with one row each.

    Dynamic programming over the texts in order of length: the best solution up to each text follows from the earlier
    ones. The run of the shortest texts may have spare rows.
    """
    order = sorted(texts, key=lengths.__getitem__)
    # For each number of texts: the work of all of them, and the rows of their last run.
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end, last in enumerate(order, start=1):
        length = padded_length(lengths[last], max_length)
        best.append(min((best[max(end - rows, 0)][0] + work(rows, length), rows) for rows in sizes(length, budget)))
    runs = []
    end = len(order)
    while end:
        start = max(end - best[end][1], 0)
        runs.append(Run([[text] for text in order[start:end]], padded_length(lengths[order[end - 1]], max_length), 1))
        end = start
    return runs


def distribute_over_lanes(lengths: Sequence[int], lanes: int) -> list[list[int]]:
    """Return the positions of the texts in parts of similar work: one for each lane, or one if there is little work.

    Each text, the longest first, goes to the part with the least work so far.
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
    """Return the cost of a run, in tokens of a short text."""
    return rows * length * (1 + length / ATTENTION_DOUBLES) + RUN_OVERHEAD


def padded_rows(rows: int) -> int:
    """Return the smallest allowed number of rows that holds `rows` rows."""
    return next(each for each in ROWS if each >= rows)


@cache
def padded_length(length: int, max_length: int) -> int:
    """Return the padded length of a text of `length` tokens that has its own row.

    Padding is wasted work, and every length is one more shape to keep warm. Short texts get finer steps, as padding is
    a larger share of them; above `FINE_LENGTH`, each doubling has eight lengths.
    """
    if length > FINE_LENGTH:
        step = 1 << ((length - 1).bit_length() - 4)
    else:
        step = 4 if length <= 32 else 8 if length <= 64 else 16
    return min(max_length, max(8, -(-length // step) * step))


@cache
def sizes(length: int, budget: int) -> list[int]:
    """Return the numbers of rows allowed for one length under a budget of tokens."""
    return [rows for rows in ROWS if rows == 1 or rows * length <= budget]


def shapes(max_length: int, budget: int, *, shares_rows: bool) -> list[Shape]:
    """Return every shape that `plan` can produce."""
    shortest = SHARED_LENGTHS[0] + 1 if shares_rows else 1
    lengths = sorted({padded_length(length, max_length) for length in range(shortest, max_length + 1)})
    alone = [Shape(rows, length, 1) for length in lengths for rows in sizes(length, budget)]
    if not shares_rows:
        return alone
    one_row = [Shape(1, length, SLOTS) for length in range(SHARED_STEP, SHARED_LENGTHS[-1] + 1, SHARED_STEP)]
    several = [Shape(rows, length, SLOTS) for length in SHARED_LENGTHS for rows in sizes(length, budget)[1:]]
    return one_row + several + alone
