"""What an evaluation leaves: every figure with its interval, and the difference of every pair that was asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from storage.durable import replace_file
from training.errors import EvaluationError

REPORT_SCHEMA = 1
REPORT_FILE = "report.json"
PRIMARY = "nDCG@10"
"""Metric that promotion is decided by."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A system's mean over a set's queries.

    Attributes:
        set: the set's name.
        system: the system's.
        metric: such as nDCG@10.
        mean: between 0 and 1.
        low: lower end of the interval.
        high: upper end.
    """

    set: str
    system: str
    metric: str
    mean: float
    low: float
    high: float


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How much one system is above another on the same queries.

    Attributes:
        set: the set's name.
        system: the one in question.
        against: the other.
        metric: such as nDCG@10.
        difference: of the means, above 0 where `system` is better.
        low: lower end of its interval; the system is better beyond chance where this is above 0.
        high: upper end; it is worse beyond chance where this is below 0.
        p: two-sided.
    """

    set: str
    system: str
    against: str
    metric: str
    difference: float
    low: float
    high: float
    p: float


class Set(msgspec.Struct, frozen=True, kw_only=True):
    """What was evaluated on.

    Attributes:
        kind: `retrieval`, `subject agreement` or `subject probe`.
        queries: how many means are over.
        passages: how many were searched, or the classifier was trained with.
        digest: of the files.
    """

    kind: str
    queries: int
    passages: int
    digest: str


class EvaluationReport(msgspec.Struct, kw_only=True):
    """An evaluation.

    Attributes:
        baseline: the system that every other is compared with.
        systems: each system's description.
        sets: each set's.
        scores: of every system on every set by every metric.
        differences: of every system to the baseline, and of the further pairs.
        settings: resamples, confidence, seed, depth.
        created: when, ISO 8601 in UTC.
        machine: the class of machine that it ran on.
        schema: of this file.
    """

    baseline: str
    systems: dict[str, dict[str, Any]]
    sets: dict[str, Set]
    scores: list[Score]
    differences: list[Difference]
    settings: dict[str, Any]
    created: str
    machine: dict[str, Any]
    schema: int = REPORT_SCHEMA

    def score(self, set_name: str, system: str, metric: str) -> Score | None:
        """One score; None where it was not measured."""
        keys = (set_name, system, metric)
        return next((each for each in self.scores if (each.set, each.system, each.metric) == keys), None)

    def difference(self, set_name: str, system: str, against: str, metric: str) -> Difference | None:
        """One difference; None where it was not measured."""
        keys = (set_name, system, against, metric)
        found = (each for each in self.differences if (each.set, each.system, each.against, each.metric) == keys)
        return next(found, None)

    def rename_system(self, old: str, new: str) -> EvaluationReport:
        """The same report, a system called by another name."""

        def told(name: str) -> str:
            return new if name == old else name

        return msgspec.structs.replace(
            self,
            baseline=told(self.baseline),
            systems={told(name): dict(description) for name, description in self.systems.items()},
            scores=[msgspec.structs.replace(each, system=told(each.system)) for each in self.scores],
            differences=[
                msgspec.structs.replace(each, system=told(each.system), against=told(each.against))
                for each in self.differences
            ],
        )

    def write(self, folder: Path) -> Path:
        """Writes `report.json` and returns its path.

        Raises:
            EvaluationError: It cannot be written.
        """
        path = folder / REPORT_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            content = json.dumps(msgspec.to_builtins(self), ensure_ascii=False, indent=1)
            replace_file(path, content.encode() + b"\n")
        except OSError as error:
            raise EvaluationError(f"cannot write {path}: {error.strerror}.") from error
        return path


def read_report(path: Path) -> EvaluationReport:
    """Reads a report.

    Raises:
        EvaluationError: The file is missing or is no report.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=EvaluationReport)
    except (OSError, msgspec.MsgspecError) as error:
        raise EvaluationError(f"{path} cannot be read as an evaluation report: {error}.") from error
