"""Reading the evaluations that lie beside the versions: what was measured of an encoder, and against which other.

The room `training` writes them, in `evaluations/<digest>/report.json`; only what the command line needs is read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from akin.errors import EncoderError
from akin.registry.versions import MODEL

EVALUATIONS = "evaluations"
MEASURE = "nDCG@10"
"""What promotion goes by."""

SEARCH = "retrieval"
"""The kind of set that promotion goes by: subject agreement and the linear probe are not search."""


class Set(msgspec.Struct, frozen=True):
    """A set that was evaluated on."""

    kind: str
    queries: int


class Score(msgspec.Struct, frozen=True):
    """A system's mean on a set, by a metric."""

    set: str
    system: str
    metric: str
    mean: float


class Difference(msgspec.Struct, frozen=True):
    """How far a system is above another on a set, by a metric, with the ends of its confidence interval."""

    set: str
    system: str
    against: str
    metric: str
    difference: float
    low: float
    high: float


class Evaluation(msgspec.Struct, frozen=True):
    """What was measured of a version, and when.

    Attributes:
        created: when, ISO 8601.
        baseline: what all were compared with.
        systems: what was compared, by name; of a version its `digest` is there.
        sets: what on.
        scores: of every system.
        differences: between pairs of them.
    """

    created: str
    baseline: str
    systems: dict[str, dict[str, Any]]
    sets: dict[str, Set]
    scores: list[Score]
    differences: list[Difference]

    def name_of(self, digest: str) -> str | None:
        """What the encoder with this digest is called in this evaluation."""
        return next((name for name, told in self.systems.items() if told.get("digest") == digest), None)

    def differences_between(self, digest: str, other: str) -> list[Difference]:
        """How far one encoder is above another in `MEASURE` on every set of search; empty if not compared."""
        system, against = self.name_of(digest), self.name_of(other)
        return [
            each
            for each in self.differences
            if (each.system, each.against, each.metric) == (system, against, MEASURE)
            and self.sets[each.set].kind == SEARCH
        ]

    def summary(self, digest: str) -> dict[str, Any]:
        """What lists show of it."""
        own = self.name_of(digest)
        return {
            "created": self.created,
            "baseline": self.baseline,
            MEASURE: {each.set: each.mean for each in self.scores if (each.system, each.metric) == (own, MEASURE)},
        }


def folder(repository: Path, digest: str) -> Path:
    """Where the evaluation of an encoder lies: beside the versions, as they never change."""
    return repository / MODEL / EVALUATIONS / digest


def read(repository: Path, digest: str) -> Evaluation | None:
    """The evaluation of an encoder; None where there is none.

    Raises:
        EncoderError: There is a file that is no evaluation.
    """
    path = folder(repository, digest) / "report.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evaluation)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise EncoderError(f"{path} cannot be read ({error}): evaluate that version again.") from error
