"""Describe a step's work, and record what it finds.

A step runs in a process of its own. It prints each record as one line of JSON, which the command reads and adds to the
report at once; so a step that is stopped loses nothing that it has found.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MARK = "gpu-check:"
"""The first characters of a line of a step's output that is a record."""


class NotRun(Exception):
    """Part of the check that cannot run here; the message is one line with the reason and the next step."""


@dataclass(frozen=True)
class Job:
    """Work of one step.

    Attributes:
        device: `cuda` or `cpu`.
        seconds: The time that the step should take, its start included.
        limit: The time after which the step is stopped.
        model: The folder of a sentence-transformers model.
        papers: The file of papers; empty for composed ones.
        triton: The folder with Triton's wheel unpacked; empty if there is none.
        python_home: The folder of a Python with shared library for Triton's stub; empty for this Python.
        work: A folder for files of the step.
        log: The file of the step's other output.
    """

    device: str
    seconds: float
    limit: float
    model: str
    papers: str
    triton: str
    python_home: str
    work: str
    log: str

    @property
    def on_gpu(self) -> bool:
        """Return True if this is no dry run."""
        return self.device == "cuda"

    def dump(self) -> str:
        """Return the job as JSON."""
        return json.dumps(asdict(self))


@dataclass
class Recorder:
    """Prints records, and knows how much of the step's time is left.

    Attributes:
        started: The time at which the step's process started.
        seconds: The time that the step should take.
    """

    seconds: float
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return self.seconds - (time.monotonic() - self.started)

    def window(self, parts: int, most: float) -> float:
        """Return the seconds for each of the parts that are left to measure, but at most `most`."""
        return min(most, max(0.1, self.left / parts))

    def row(self, system: str, dataset: str, metric: str, value: float, unit: str = "") -> None:
        """Record a figure, as `benchmarks.report.Row`."""
        self._print("row", {"system": system, "dataset": dataset, "metric": metric, "value": value, "unit": unit})

    def line(self, text: str) -> None:
        """Record a remark."""
        self._print("line", text)

    def fact(self, name: str, value: object) -> None:
        """Record a fact about the machine."""
        self._print("fact", [name, value])

    def goal(self, text: str, met: bool) -> None:
        """Record a goal, and True if it was reached."""
        self._print("goal", [text, met])

    def attempt(self, part: str, work: Callable[[], Any]) -> Any:
        """Return the result of a part of a step; if it fails, record the reason in one line and return None."""
        try:
            return work()
        except NotRun as reason:
            self.line(f"{part} not run: {reason}")
        except Exception as error:
            # Any failure concerns this part only: the other figures of the step must not be lost.
            self.line(f"{part} failed: {first_line(error)}")
        return None

    def _print(self, kind: str, content: object) -> None:
        print(MARK + json.dumps({kind: content}), flush=True)


def first_line(error: BaseException) -> str:
    """Return the type and the first line of an error's message."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def rate(work: Callable[[Sequence[str]], object], texts: Sequence[str], seconds: float, least: int) -> float:
    """Return the texts a second that `work` handles; it gets twice as many until one call takes that long.

    `work` must return only when the device has finished.
    """
    count = min(least, len(texts))
    while True:
        begun = time.perf_counter()
        work(texts[:count])
        taken = time.perf_counter() - begun
        if taken >= seconds / 2 or count == len(texts):
            return count / taken
        count = min(len(texts), max(2 * count, int(count / taken * seconds * 0.6)))


def waiting_times(work: Callable[[str], object], texts: Sequence[str], seconds: float) -> list[float]:
    """Return the seconds that each text took, one after the other, until the texts or the time are used up."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    for text in texts:
        begun = time.perf_counter()
        work(text)
        times.append(time.perf_counter() - begun)
        if begun > end:
            break
    return times


def step_folder(job: Job, name: str) -> Path:
    """Return a folder for a step's files."""
    folder = Path(job.work) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
