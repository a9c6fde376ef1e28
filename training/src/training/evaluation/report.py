"""The report of an evaluation: every score and every difference, with its confidence interval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from akin.storage.durable import replace_file
from training.errors import EvaluationError

REPORT_SCHEMA = 2
"""1 measured vectors alone; 2 measures the service's search."""

REPORT_FILE = "report.json"
PRIMARY = "nDCG@10"
"""Metric that promotion is decided by on a set with several relevant passages for a query."""

KNOWN_ITEM = "MRR@10"
"""Metric that promotion is decided by on a set with one relevant passage for each query."""


RETRIEVAL = "retrieval"
"""Kind of the sets of search."""

SLICE = "slice"
"""Kind of a part of a set's queries, named `SET: SLICE`."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Mean of a system over the queries of a set.

    Attributes:
        set: name of the set.
        system: name of the system.
        metric: name of the metric, such as nDCG@10.
        mean: mean score, between 0 and 1.
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
    """Difference between two systems on the same queries.

    Attributes:
        set: name of the set.
        system: name of the first system.
        against: name of the second system.
        metric: name of the metric, such as nDCG@10.
        difference: difference of the means, above 0 if `system` is better.
        low: lower end of its interval; above 0 means that the system is better beyond chance.
        high: upper end; below 0 means that the system is worse beyond chance.
        p: two-sided p-value.
    """

    set: str
    system: str
    against: str
    metric: str
    difference: float
    low: float
    high: float
    p: float


class Set(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Set that systems were evaluated on.

    Attributes:
        kind: `retrieval`, `slice`, `subject agreement` or `subject probe`.
        queries: number of queries that a mean is taken over.
        passages: number of passages that were searched, or that the classifier was trained on.
        digest: digest of the files.
        metric: metric that decides promotion.
        depth: number of ranks that were measured; 0 if it is that of the report's settings.
        search: kind of search, such as `question` or `title`; empty if the set does not say.
        aimed: True if training aimed at this kind of search: then the set alone proves nothing.
    """

    kind: str
    queries: int
    passages: int
    digest: str
    metric: str = PRIMARY
    depth: int = 0
    search: str = ""
    aimed: bool = False


class EvaluationReport(msgspec.Struct, kw_only=True):
    """Scores and differences of several systems on several sets.

    Attributes:
        baseline: the system that every other system is compared with.
        systems: description of each system by name; one that the service's search was measured with has the fields
            `mode` and `encoder`.
        sets: description of each set by name.
        scores: score of every system on every set by every metric.
        differences: difference of every system to the baseline, and of the further pairs.
        settings: resamples, confidence, seed, depth.
        created: time in ISO 8601, UTC.
        machine: class of the machine that it ran on.
        schema: version of this file's format.
        earlier_sets: sets of search of the reports that this one replaces and that it lacks, with their digests.
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
    earlier_sets: dict[str, str] | msgspec.UnsetType = msgspec.UNSET

    def score(self, set_name: str, system: str, metric: str) -> Score | None:
        """Return one score; None if it was not measured."""
        keys = (set_name, system, metric)
        return next((each for each in self.scores if (each.set, each.system, each.metric) == keys), None)

    def difference(self, set_name: str, system: str, against: str, metric: str) -> Difference | None:
        """Return one difference; None if it was not measured."""
        keys = (set_name, system, against, metric)
        found = (each for each in self.differences if (each.set, each.system, each.against, each.metric) == keys)
        return next(found, None)

    @property
    def whole_sets(self) -> list[str]:
        """Names of the sets that are no slice of another one."""
        return [name for name, each in self.sets.items() if each.kind != SLICE]

    @property
    def encoders(self) -> list[str]:
        """Encoders that the service's search was measured with, in the report's order."""
        return list(dict.fromkeys(each["encoder"] for each in self.systems.values() if "encoder" in each))

    def rename_encoder(self, old: str, new: str) -> EvaluationReport:
        """Return a copy of the report in which an encoder, and the searches with it, have another name."""
        names = {
            name: f"{new}{name.removeprefix(old)}"
            for name, each in self.systems.items()
            if name == old or each.get("encoder") == old
        }

        def rename(name: str) -> str:
            return names.get(name, name)

        renamed = {
            rename(name): {**each, **({"encoder": new} if each.get("encoder") == old else {})}
            for name, each in self.systems.items()
        }
        return msgspec.structs.replace(
            self,
            baseline=rename(self.baseline),
            systems=renamed,
            scores=[msgspec.structs.replace(each, system=rename(each.system)) for each in self.scores],
            differences=[
                msgspec.structs.replace(each, system=rename(each.system), against=rename(each.against))
                for each in self.differences
            ],
        )

    def with_earlier_sets(self, before: EvaluationReport) -> EvaluationReport:
        """Return a copy that names those sets of an earlier report of the same encoder that this one lacks."""
        earlier = {name: each.digest for name, each in before.sets.items() if each.kind == RETRIEVAL}
        earlier |= before.earlier_sets or {}
        missing = {name: digest for name, digest in earlier.items() if name not in self.sets}
        return msgspec.structs.replace(self, earlier_sets=missing or msgspec.UNSET)

    def means(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return the mean of each metric by set and system, without slices: what `dvc metrics` compares."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for each in self.scores:
            if self.sets[each.set].kind != SLICE:
                systems = found.setdefault(each.set, {})
                systems.setdefault(each.system, {})[each.metric] = round(each.mean, 4)
        return found

    def write(self, folder: Path) -> Path:
        """Write `report.json` and return its path.

        Raises:
            EvaluationError: The file cannot be written.
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
    """Read a report.

    Raises:
        EvaluationError: The file is missing or is not a report.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=EvaluationReport)
    except (OSError, msgspec.MsgspecError) as error:
        raise EvaluationError(f"{path} cannot be read as an evaluation report: {error}.") from error
