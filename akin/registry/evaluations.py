"""Read the evaluations of encoder versions: their measures, and the differences between encoders.

The room `training` writes them, in `evaluations/<digest>/report.json`; only the fields that the command line needs are
read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from akin.errors import EncoderError
from akin.registry.versions import MODEL

EVALUATIONS = "evaluations"
MEASURE = "nDCG@10"
"""The measure that decides a promotion."""

SEARCH = "retrieval"
"""The kind of set that decides a promotion: subject agreement and the linear probe do not measure search."""


class Set(msgspec.Struct, frozen=True):
    """Test set of an evaluation."""

    kind: str
    queries: int
    metric: str = MEASURE


class Score(msgspec.Struct, frozen=True):
    """Mean of a metric for one system on one set."""

    set: str
    system: str
    metric: str
    mean: float


class Difference(msgspec.Struct, frozen=True):
    """Difference of a metric between two systems on one set, with the ends of its confidence interval."""

    set: str
    system: str
    against: str
    metric: str
    difference: float
    low: float
    high: float


class Evaluation(msgspec.Struct, frozen=True):
    """Evaluation of one version.

    Attributes:
        created: Its time, ISO 8601.
        baseline: The system that all others were compared with.
        systems: The systems by name; a version's entry holds its `digest`.
        sets: The test sets by name.
        scores: The means of every system.
        differences: The differences between pairs of systems.
    """

    created: str
    baseline: str
    systems: dict[str, dict[str, Any]]
    sets: dict[str, Set]
    scores: list[Score]
    differences: list[Difference]

    def name_of(self, digest: str) -> str | None:
        """Return the name of the encoder with this digest in this evaluation; None if it was not measured."""
        return next((name for name, each in self.systems.items() if each.get("digest") == digest), None)

    def differences_between(self, digest: str, other: str) -> list[Difference]:
        """Return the differences in `MEASURE` between two encoders on the sets of search; empty if not compared."""
        system, against = self.name_of(digest), self.name_of(other)
        return [
            each
            for each in self.differences
            if (each.system, each.against, each.metric) == (system, against, MEASURE)
            and self.sets[each.set].kind == SEARCH
        ]

    def summary(self, digest: str) -> dict[str, Any]:
        """Return the part of the evaluation that lists of versions show."""
        own = self.name_of(digest)
        return {
            "created": self.created,
            "baseline": self.baseline,
            MEASURE: {each.set: each.mean for each in self.scores if (each.system, each.metric) == (own, MEASURE)},
        }


def folder(repository: Path, digest: str) -> Path:
    """Return the folder of an encoder's evaluation. It lies beside the version, which never changes."""
    return repository / MODEL / EVALUATIONS / digest


def read(repository: Path, digest: str) -> Evaluation | None:
    """Return the evaluation of an encoder; None if it has none.

    Raises:
        EncoderError: The file is not an evaluation.
    """
    path = folder(repository, digest) / "report.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evaluation)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise EncoderError(f"{path} cannot be read ({error}): evaluate that version again.") from error
