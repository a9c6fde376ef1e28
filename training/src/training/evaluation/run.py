"""Evaluate several systems on several sets, and compare them query by query."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from akin.relevance import Collection, query_slices
from akin.storage.cpu import cpu_features, cpu_fields
from akin.storage.durable import replace_file
from retrieval_service.search.request import Mode
from training.arrays import Values
from training.errors import EvaluationError
from training.evaluation import bootstrap, markdown, plots, subjects
from training.evaluation.ranking import Bm25, PassageRanking, nearest
from training.evaluation.report import (
    KNOWN_ITEM,
    PRIMARY,
    REPORT_FILE,
    RETRIEVAL,
    SLICE,
    Difference,
    EvaluationReport,
    Score,
    Set,
    read_report,
)
from training.evaluation.retrieval import load_collections, measure_ranking, measure_run
from training.evaluation.served import (
    MODES,
    RERANKED,
    WORDS,
    ServedReranker,
    ServedSearch,
    depth_of,
    reranked_name,
    served_name,
    settings_of_answers,
)
from training.evaluation.subjects import SubjectPapers
from training.evaluation.systems import AnySystem, system_description
from training.evaluation.vectors import Vectors
from training.progress import log_progress
from training.sparse import SparseWords

SUBJECT_AGREEMENT = "subject agreement"
SUBJECT_PROBE = "subject probe"


@dataclass(frozen=True)
class _Comparison:
    """Arguments of `evaluate_systems` that decide which differences are computed and how wide intervals are."""

    pairs: tuple[tuple[str, str], ...]
    resamples: int
    confidence: float
    seed: int


def evaluate_systems(
    systems: Mapping[str, AnySystem],
    sets: Sequence[Path],
    output: Path,
    *,
    baseline: str,
    comparisons: Sequence[tuple[str, str]] = (),
    subject_papers: Path | None = None,
    mapping: str | None = None,
    most_subject_papers: int = 4000,
    resamples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
    depth: int = 1000,
    cache: Path | None = None,
    served: Path | None = None,
    aimed: Sequence[str] = (),
    reranker: ServedReranker | None = None,
    reranked: Sequence[str] = (),
    sparse: SparseWords | None = None,
    progress: Callable[[str], None] = log_progress,
) -> EvaluationReport:
    """Measure every system on every set, and write the report as JSON, as Markdown and as plots.

    Args:
        systems: systems by their names in the report, in its order.
        sets: folders in BEIR's layout; a set has its folder's name.
        output: folder for `report.json`, `report.md` and `*.png`; created if it does not exist.
        baseline: the system that every other system is compared with.
        comparisons: further pairs, (system, against).
        subject_papers: a file of papers with categories, to measure subjects on; None skips subjects.
        mapping: mapping of that file's fields, if it needs one.
        most_subject_papers: number of its papers that are read.
        resamples: number of resamples of the bootstrap.
        confidence: confidence level of the intervals.
        seed: seed of every random choice.
        depth: number of ranks that MAP includes (1,000 as in trec_eval); `served.depth_of` decides for the service.
        cache: folder that keeps the vectors of systems whose description has a digest, so that these encode each set
            once; None keeps none.
        served: folder that keeps indexes. If it is given, the service's search is measured: `lexical`, and `NAME dense`
            and `NAME hybrid` for each encoder. None measures the encoders' vectors alone, by exact search.
        aimed: names of the sets whose kind of search training aimed at.
        reranker: measures `NAME reranked` too, if the service's search is measured.
        reranked: names of the encoders whose results it puts in order.
        sparse: ranks words by learned weights instead of BM25, if the service's search is measured.
        progress: called with a line from time to time.

    Returns:
        The report that was written.

    Raises:
        EvaluationError: A set cannot be read, a name is not among the systems, or the output cannot be written.
    """
    named = {baseline, *(name for pair in comparisons for name in pair)}
    if unknown := sorted(named - set(systems)):
        raise EvaluationError(f"{', '.join(unknown)} cannot be compared; the systems are: {', '.join(systems)}.")
    if not sets and subject_papers is None:
        raise EvaluationError("there is nothing to evaluate on: give at least one folder in BEIR's layout.")
    pairs = dict.fromkeys([*((name, baseline) for name in systems if name != baseline), *comparisons])
    if served is not None:
        pairs = dict.fromkeys(_served_pairs(systems, list(pairs)))
    orders = dict.fromkeys(reranked, reranker) if reranker and served is not None else {}
    pairs |= dict.fromkeys((reranked_name(name), served_name(name, Mode.HYBRID)) for name in orders)
    how = _Comparison(tuple(pairs), resamples, confidence, seed)
    # Encoding can take hours, so files that cannot be read must be found before it.
    collections = load_collections(sets)
    papers = (
        subjects.read_subjects(subject_papers, mapping=mapping, most=most_subject_papers) if subject_papers else None
    )
    report = EvaluationReport(
        baseline=baseline if served is None else _in_hybrid(systems, baseline),
        systems=_descriptions(systems, orders, with_modes=served is not None),
        sets={},
        scores=[],
        differences=[],
        settings={
            "resamples": resamples,
            "confidence": confidence,
            "seed": seed,
            "depth": depth,
            **({"service": settings_of_answers()} if served else {}),
            **({"sparse": {"name": sparse.name, "digest": sparse.digest}} if sparse else {}),
        },
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
    )
    vectors = Vectors(cache, progress)
    search = ServedSearch(served, vectors, progress, sparse) if served else None
    for collection in collections:
        size = Set(
            kind=RETRIEVAL,
            queries=len(collection.queries),
            passages=len(collection.passages),
            digest=collection.digest,
            metric=PRIMARY if max(map(len, collection.qrels.values())) > 1 else KNOWN_ITEM,
            depth=depth_of(collection) if search else 0,
            search=collection.kind or "",
            aimed=bool(collection.about.get("trained")) or collection.name in aimed,
        )
        found: dict[str, Values] = {}
        for name, system in systems.items():
            if search is None or isinstance(system, Bm25):
                found[name] = measure_ranking(_rank(system, name, collection, depth, vectors), collection)
                continue
            modes = [mode for mode in (Mode.LEXICAL, *MODES) if served_name(name, mode) not in found]
            for ranked, run in search.rank(system, name, collection, modes, orders.get(name)).items():
                found[ranked] = measure_run(run, collection)
        _add(report, collection.name, size, found, how)
        _add_slices(report, collection, size, found, how)
    if papers is not None:
        # Neighbours are found by vectors.
        shown = {
            name if search is None or isinstance(system, Bm25) else served_name(name, Mode.DENSE): system
            for name, system in systems.items()
        }
        _measure_subjects(report, shown, papers, how, vectors)
    return write_report(report, output)


def _descriptions(
    systems: Mapping[str, AnySystem], orders: Mapping[str, ServedReranker], *, with_modes: bool
) -> dict[str, dict[str, Any]]:
    """Return the descriptions of systems by their names in the report, in its order."""
    if not with_modes:
        return {name: system_description(system) for name, system in systems.items()}
    found = {name: system_description(system) for name, system in systems.items() if isinstance(system, Bm25)}
    encoders = {name: system_description(system) for name, system in systems.items() if name not in found}
    if encoders:
        found[WORDS] = {"kind": "service", "mode": WORDS}
    for name, description in encoders.items():
        for mode in MODES:
            found[served_name(name, mode)] = {**description, "encoder": name, "mode": mode.value}
        if name in orders:
            own = {**orders[name].description, "encoder": name, "mode": RERANKED}
            found[reranked_name(name)] = {**description, **own}
    return found


def _served_pairs(systems: Mapping[str, AnySystem], pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the pairs of the service's searches for pairs of systems: in equal modes, and the modes of one encoder."""
    encoders = [name for name, system in systems.items() if not isinstance(system, Bm25)]
    found = [
        (served_name(one, mode) if one in encoders else one, served_name(other, mode) if other in encoders else other)
        for one, other in pairs
        for mode in MODES
    ]
    for name in encoders:
        dense, hybrid = (served_name(name, mode) for mode in (Mode.DENSE, Mode.HYBRID))
        found += [(dense, WORDS), (hybrid, WORDS), (hybrid, dense)]
    return found


def _in_hybrid(systems: Mapping[str, AnySystem], name: str) -> str:
    return name if isinstance(systems[name], Bm25) else served_name(name, Mode.HYBRID)


def _rank(system: AnySystem, name: str, collection: Collection, depth: int, vectors: Vectors) -> PassageRanking:
    queries, passages = list(collection.queries.values()), list(collection.passages.values())
    if isinstance(system, Bm25):
        return system.rank(queries, passages, depth)
    label = f"{collection.name}, {name}"
    by_passage = vectors.passages(system, passages, f"{label}: passages")
    by_query = vectors.queries(system, queries, f"{label}: queries")
    return nearest(by_query, by_passage, depth)


def _measure_subjects(
    report: EvaluationReport,
    systems: Mapping[str, AnySystem],
    papers: SubjectPapers,
    how: _Comparison,
    vectors: Vectors,
) -> None:
    count = len(papers.texts)
    deepest = max(subjects.AGREEMENT_DEPTHS)
    train, test = subjects.split(papers.subjects, how.seed)
    agreements: dict[str, Values] = {}
    probes: dict[str, Values] = {}
    for name, system in systems.items():
        if isinstance(system, Bm25):
            ranking = system.rank(papers.texts, papers.texts, deepest + 1)
            positions = subjects.drop_self(ranking.positions, range(count))
        else:
            found = vectors.passages(system, papers.texts, f"subjects, {name}: papers")
            positions = nearest(found, found, deepest, without_self=True).positions
            probes[name] = subjects.probe(found, papers.subjects, train, test)
        agreements[name] = subjects.agreement(positions, papers.subjects)
    size = Set(kind=SUBJECT_AGREEMENT, queries=count, passages=count, digest=papers.digest)
    _add(report, SUBJECT_AGREEMENT, size, agreements, how)
    if probes:
        size = Set(kind=SUBJECT_PROBE, queries=len(test), passages=len(train), digest=papers.digest)
        _add(report, SUBJECT_PROBE, size, probes, how)


def _add(report: EvaluationReport, name: str, size: Set, found: Mapping[str, Values], how: _Comparison) -> None:
    """Add the means, differences and intervals of a set to the report."""
    columns = [(system, metric) for system, values in found.items() for metric in values]
    values = np.stack([found[system][metric] for system, metric in columns], axis=1)
    means = values.mean(axis=0)
    drawn = bootstrap.resample_means(values, how.resamples, how.seed)
    report.sets[name] = size
    for column, (system, metric) in enumerate(columns):
        score = bootstrap.interval(float(means[column]), drawn[:, column], how.confidence)
        report.scores.append(
            Score(set=name, system=system, metric=metric, mean=score.value, low=score.low, high=score.high)
        )
    place = {key: column for column, key in enumerate(columns)}
    for system, against in how.pairs:
        if system not in found or against not in found:
            continue
        for metric in found[system]:
            left, right = place[system, metric], place[against, metric]
            apart = bootstrap.interval(
                float(means[left] - means[right]), drawn[:, left] - drawn[:, right], how.confidence
            )
            report.differences.append(
                Difference(
                    set=name, system=system, against=against, metric=metric,
                    difference=apart.value, low=apart.low, high=apart.high, p=apart.p,
                )
            )  # fmt: skip


def _add_slices(
    report: EvaluationReport, collection: Collection, size: Set, found: Mapping[str, Values], how: _Comparison
) -> None:
    """Add the deciding metric on slices of a collection's queries, as sets that decide nothing."""
    rows = {query: row for row, query in enumerate(collection.queries)}
    for name, queries in query_slices(collection).items():
        chosen = [rows[query] for query in queries]
        part = msgspec.structs.replace(size, kind=SLICE, queries=len(chosen))
        values = {system: {size.metric: each[size.metric][chosen]} for system, each in found.items()}
        _add(report, f"{collection.name}: {name}", part, values, how)


def write_report(report: EvaluationReport, output: Path) -> EvaluationReport:
    """Write `report.json`, `report.md` and the plots into a folder, which is created if it does not exist.

    Returns:
        The report with the names of the sets that the folder's earlier report has and this one lacks.

    Raises:
        EvaluationError: A file cannot be read or written.
    """
    if (output / REPORT_FILE).exists():
        report = report.with_earlier_sets(read_report(output / REPORT_FILE))
    report.write(output)
    try:
        replace_file(output / "report.md", markdown.render(report).encode())
        plots.draw(report, output)
    except OSError as error:
        raise EvaluationError(f"cannot write into {output}: {error.strerror}.") from error
    return report


def machine() -> dict[str, object]:
    """Return the class of this machine, which is needed to compare figures, and nothing that identifies it."""
    features = {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"} & cpu_features()
    return {"cpu": cpu_fields().get("model name", "unknown"), "cores": os.cpu_count(), "features": sorted(features)}
