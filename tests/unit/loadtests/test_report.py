from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from akin.papers import Paper
from loadtests.errors import OutputUnwritable
from loadtests.options import read_options
from loadtests.prometheus import parse
from loadtests.queries import QuerySource
from loadtests.report import render_report
from loadtests.results import (
    common_results,
    create_folder,
    describe_run,
    level_results,
    process_results,
    rate_results,
    save_report,
)
from loadtests.samples import Level, RequestSample, Use, summarise
from loadtests.schedule import Trial
from loadtests.service import Target

TARGET = Target("http://127.0.0.1:8080", 314, "<sample>", "s1", 1, {}, None)
SAMPLES = [RequestSample(n / 10, "short search", 10.0 + n, "503 busy & <gone>" if n == 99 else "") for n in range(100)]
BEFORE = parse('akin_search_stage_seconds_bucket{le="+Inf",stage="embed"} 0')
AFTER = parse(
    'akin_search_stage_seconds_bucket{le="0.01",stage="embed"} 5\n'
    'akin_search_stage_seconds_bucket{le="+Inf",stage="embed"} 5\nakin_search_stage_seconds_sum{stage="embed"} 0.02'
)


USES = [
    Use("the service", 7, [(6.0, 0.5), (7.0, 1.5)], [(6.0, 2_000_000)]),
    Use("the whole machine", 0, [(6.0, 2.0)], [(6.0, 8_000_000)]),
]


def results(own: dict[str, Any], *arguments: str) -> dict[str, Any]:
    papers = [Paper(f"{n}", f"Title {n} of a paper", f"Abstract {n} is short. It has {n} words.") for n in range(400)]
    return (
        describe_run(read_options(arguments, {}), TARGET, QuerySource(papers), "400 papers", 1.8e9)
        | own
        | common_results(SAMPLES, 5.0, 10.0, BEFORE, AFTER)
        | {
            "processes": process_results(USES, 5, 10),
            "processes_are_local": True,
            "interrupted": False,
        }
    )


def user_results() -> dict[str, Any]:
    return results(level_results(SAMPLES, [Level(10, 0.0, 4.0), Level(20, 5.0, 10.0)]), "users", "--users", "20")


def trial(rate: float, *, fast: bool, overloaded: bool = False, sustained: bool = False) -> Trial:
    return Trial(rate, 8.0, summarise(SAMPLES[:50], 8.0), 0.4, overloaded, fast, sustained)


def test_levels_have_the_requests_that_were_sent_in_them() -> None:
    levels = user_results()["levels"]
    assert [(each["users"], each["requests"], each["p50_ms"], each["errors"]) for each in levels] == [
        (10, 40, 29, 0),
        (20, 50, 84, 1),
    ]


def test_a_level_without_measurement_is_left_out() -> None:
    assert level_results(SAMPLES, [Level(10, 3.0, 3.0)])["levels"] == []


def test_the_page_shows_the_last_level_the_stages_and_the_processes() -> None:
    found = user_results()
    assert found["stages"] == [{"label": "embed", "count": 5, "mean_ms": 4.0, "p50_ms": 5.0, "p95_ms": 9.5}]
    assert [each["cores_mean"] for each in found["processes"]] == [2.0, 1.0]
    page = render_report(found)
    assert "<b>20 users</b>" in page
    assert "p95 107 ms" in page
    assert "<td>embed</td><td>5</td><td>4</td><td>5</td><td>9.5</td>" in page
    assert "<td>the service</td><td>7</td><td>1</td><td>1.5</td><td>2</td><td>2</td>" in page
    assert "<td>the whole machine</td><td></td><td>2</td><td>2</td><td>8</td><td>8</td>" in page
    assert "same cores" in page


def test_the_page_needs_no_other_files_and_escapes_texts() -> None:
    page = render_report(user_results())
    assert not re.search(r"""<script|<link|<img|src=|href=(?!"#)|@import|url\((?!#)""", page)
    assert "503 busy &amp; &lt;gone&gt;" in page
    assert "<sample>" not in page


def test_drawings_are_well_formed() -> None:
    drawings = re.findall(r"<svg.*?</svg>", render_report(user_results()), re.DOTALL)
    assert len(drawings) == 5
    for drawing in drawings:
        ElementTree.fromstring(drawing)


def test_the_highest_rate_is_the_sustained_one() -> None:
    best = trial(137, fast=True, sustained=True)
    trials = [trial(160, fast=True), trial(320, fast=False, overloaded=True), best]
    page = render_report(results(rate_results(trials, best, ""), "rate", "--p95", "100"))
    assert "<b>137 requests/s</b> sustained for 8 s with p95 of at most 100 ms" in page
    assert "overloaded, cut short" in page
    assert "whether or not earlier ones had been answered" in page
    assert "Requests came at random (a Poisson process)" in page


def test_the_page_has_the_spacing_of_a_constant_rate() -> None:
    given = results(rate_results([trial(10, fast=False)], None, "no rate was fast"), "rate", "--spacing", "equal")
    assert given["settings"]["spacing"] == "equal"
    assert "Requests were equally spaced" in render_report(given)


def test_the_page_has_the_reason_why_there_is_no_rate() -> None:
    page = render_report(results(rate_results([trial(10, fast=False)], None, "no rate was fast"), "rate"))
    assert "No rate with p95 of at most 100 ms was found: no rate was fast." in page


def test_a_run_without_measurements_has_a_page() -> None:
    found = user_results() | level_results([], []) | {"interrupted": True, "timeline": [], "kinds": {}, "processes": []}
    page = render_report(found)
    assert "Interrupted before anything was measured." in page
    assert "figures until then" in page


def test_without_counters_there_are_no_stages() -> None:
    assert common_results(SAMPLES, 0, 10, {}, AFTER)["stages"] == []


def test_a_report_has_a_folder_of_its_own(tmp_path: Path) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first, second = create_folder(tmp_path, now), create_folder(tmp_path, now)
    assert (first.name, second.name) == ("20260102T030405Z", "20260102T030405Z-2")
    save_report(user_results(), second)
    assert json.loads((second / "results.json").read_text())["levels"][1]["users"] == 20
    assert (second / "report.html").read_text().startswith("<!doctype html>")


def test_the_error_names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritable, match=r"file.*--output"):
        create_folder(tmp_path / "file", datetime.now(UTC))
    with pytest.raises(OutputUnwritable, match="gone"):
        save_report(user_results(), tmp_path / "gone")


def test_a_chart_without_figures_says_so() -> None:
    assert "Nothing was measured" in render_report(user_results() | {"timeline": []})
