"""Reports of the service's search: renamed, continued and rendered."""

from pathlib import Path

import msgspec
import pytest

from training.evaluation import Difference, EvaluationReport, Score, markdown, plots
from training.evaluation.report import Set
from training.evaluation.run import write_report


@pytest.fixture
def report() -> EvaluationReport:
    """Report of two encoders, of which the second is better in hybrid search and worse by vectors alone."""
    means = {"lexical": 0.5, "old dense": 0.4, "old hybrid": 0.6, "new dense": 0.3, "new hybrid": 0.7}
    sets = {
        "claims": Set(kind="retrieval", queries=10, passages=20, digest="c", depth=1000),
        "title": Set(kind="retrieval", queries=10, passages=20, digest="t", metric="MRR@10", aimed=True),
        "title: since 2025": Set(kind="slice", queries=5, passages=20, digest="t", metric="MRR@10"),
    }
    metrics = {"claims": "nDCG@10", "title": "MRR@10", "title: since 2025": "MRR@10"}
    return EvaluationReport(
        baseline="old hybrid",
        systems={
            "lexical": {"kind": "service", "mode": "lexical"},
            **{
                f"{name} {mode}": {"kind": "version", "encoder": name, "mode": mode, "digest": name, "fp32": "base"}
                for name in ("old", "new")
                for mode in ("dense", "hybrid")
            },
        },
        sets=sets,
        scores=[
            Score(set=name, system=system, metric=metric, mean=mean, low=mean - 0.1, high=mean + 0.1)
            for name, metric in metrics.items()
            for system, mean in means.items()
        ],
        differences=[
            Difference(
                set=name, system=f"new {mode}", against=f"old {mode}", metric=metric, difference=apart,
                low=apart - 0.05, high=apart + 0.05, p=0.01,
            )
            for name, metric in metrics.items()
            for mode, apart in (("dense", -0.1), ("hybrid", 0.1))
        ],
        settings={"resamples": 100, "confidence": 0.95, "seed": 0},
        created="2026-11-24T08:00:00+00:00",
        machine={"cpu": "x", "cores": 2},
    )  # fmt: skip


def test_the_report_starts_with_one_table_of_the_ways_of_searching(report: EvaluationReport) -> None:
    text = markdown.render(report)
    table = text.split("## Search as it is served")[1].split("\n\n")[1].splitlines()
    assert table == [
        "| set | metric | encoder | lexical | dense | hybrid |",
        "| --- | --- | --- | ---: | ---: | ---: |",
        "| claims | nDCG@10 | old | 0.5000 | 0.4000 | 0.6000 |",
        "| claims | nDCG@10 | new | 0.5000 | 0.3000 ▼ | 0.7000 ▲ |",
        "| title | MRR@10 | old | 0.5000 | 0.4000 | 0.6000 |",
        "| title | MRR@10 | new | 0.5000 | 0.3000 ▼ | 0.7000 ▲ |",
    ]
    assert text.index("## Search as it is served") < text.index("| system | description |") < text.index("## claims")
    assert "10 queries for 20 passages. Ranks to 1,000 are measured." in text
    assert "Training aimed at this kind of search" in text.split("## title")[1]
    assert "| since 2025 | 5 | 0.5000 | 0.4000 | 0.6000 | 0.3000 | 0.7000 |" in text
    assert "## title: since 2025" not in text


def test_an_encoder_is_renamed_in_every_way_of_searching(report: EvaluationReport) -> None:
    renamed = report.rename_encoder("old", "version 7")
    assert renamed.encoders == ["version 7", "new"]
    assert renamed.baseline == "version 7 hybrid"
    assert list(renamed.systems)[1] == "version 7 dense"
    assert renamed.difference("claims", "new dense", "version 7 dense", "nDCG@10") is not None
    assert renamed.rename_encoder("version 7", "old") == report


def test_a_set_that_is_no_longer_measured_stays_in_the_report(report: EvaluationReport, tmp_path: Path) -> None:
    assert write_report(report, tmp_path).earlier_sets is msgspec.UNSET
    for name in ("claims", "title"):
        only = msgspec.structs.replace(
            report,
            sets={name: report.sets[name]},
            scores=[each for each in report.scores if each.set == name],
            differences=[each for each in report.differences if each.set == name],
        )
        again = write_report(only, tmp_path)
    assert again.earlier_sets == {"claims": "c"}
    assert again == write_report(again, tmp_path)
    assert (tmp_path / "scores.png").stat().st_size
    assert plots.first_metric(report, "title") == "MRR@10"
