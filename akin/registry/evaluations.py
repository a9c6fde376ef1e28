"""Read the evaluations of versions: their measures, and the differences between them.

The room `training` writes them, in `evaluations/<digest>/report.json`; only the fields that the command line needs are
read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from akin.errors import EncoderError
from akin.registry.versions import EVALUATIONS, MODEL

MEASURE = "nDCG@10"
"""The measure of a set that does not name another one."""

SEARCH = "retrieval"
"""The kind of set that decides a promotion: subject agreement and the linear probe do not measure search."""

HYBRID, DENSE, RERANKED = "hybrid", "dense", "reranked"
"""Ways of searching that depend on the encoder; hybrid search is the one that users get without asking for another."""


class Set(msgspec.Struct, frozen=True):
    """Test set of an evaluation.

    Attributes:
        kind: `SEARCH`, or another kind that decides nothing.
        queries: Number of queries.
        metric: The metric that decides a promotion.
        aimed: True if training aimed at this kind of search.
    """

    kind: str
    queries: int
    metric: str = MEASURE
    aimed: bool = False


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
        schema: The version of the format; in 1, vectors alone were measured.
        earlier_sets: Sets of earlier evaluations of the version that this one lacks.
    """

    created: str
    baseline: str
    systems: dict[str, dict[str, Any]]
    sets: dict[str, Set]
    scores: list[Score]
    differences: list[Difference]
    schema: int = 1
    earlier_sets: dict[str, str] = {}

    @property
    def search_sets(self) -> set[str]:
        """The names of the sets of search, with those that only earlier evaluations have."""
        return {name for name, each in self.sets.items() if each.kind == SEARCH} | self.earlier_sets.keys()

    def name_of(self, digest: str, mode: str = HYBRID, reranker: str | None = None) -> str | None:
        """Return the name of the search with an encoder in a mode, by a reranker's digest if the mode is `RERANKED`.

        None means that it was not measured.

        In a report that measured vectors alone, an encoder has one name.
        """
        return next(
            (
                name
                for name, each in self.systems.items()
                if (each.get("digest"), each.get("mode", mode), each.get("reranker")) == (digest, mode, reranker)
            ),
            None,
        )

    def fp32_of(self, digest: str, mode: str) -> str | None:
        """Return the name of the search in a mode with the FP32 weights of a version; None if it was not measured."""
        own = self.systems.get(self.name_of(digest, mode) or "", {})
        return next(
            (
                name
                for name, each in self.systems.items()
                if (each.get("encoder"), each.get("mode")) == (own.get("fp32", ""), mode)
            ),
            None,
        )

    def differences_between(self, system: str | None, against: str | None) -> dict[str, Difference]:
        """Return the differences between two systems on the sets of search, each in its set's metric, by set."""
        return {
            each.set: each
            for each in self.differences
            if (each.system, each.against, each.metric) == (system, against, self.sets[each.set].metric)
            and self.sets[each.set].kind == SEARCH
        }

    def summary(self, digest: str) -> dict[str, Any]:
        """Return the part of the evaluation that lists of versions show."""
        own = self.name_of(digest)
        return {
            "created": self.created,
            "baseline": self.baseline,
            MEASURE: {each.set: each.mean for each in self.scores if (each.system, each.metric) == (own, MEASURE)},
        }


def folder(repository: Path, digest: str, model: str = MODEL) -> Path:
    """Return the folder of a version's evaluation. It lies beside the version, which never changes."""
    return repository / model / EVALUATIONS / digest


def read(repository: Path, digest: str, model: str = MODEL) -> Evaluation | None:
    """Return the evaluation of a version; None if it has none.

    Raises:
        EncoderError: The file is not an evaluation.
    """
    path = folder(repository, digest, model) / "report.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evaluation)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise EncoderError(f"{path} cannot be read ({error}): evaluate that version again.") from error
