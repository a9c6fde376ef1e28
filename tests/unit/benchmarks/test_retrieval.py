"""Test the retrieval benchmark: its texts and papers, its choice of operating points, its predictions and plots."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from akin.papers import Paper
from benchmarks.report import Row, write_rows
from benchmarks.retrieval import catalogue, growth
from benchmarks.retrieval.collection import TextCollection, embed_collection, prepare_collection
from benchmarks.retrieval.command import earlier_rows, label, size
from benchmarks.retrieval.comparison import AKIN, REFERENCE, SystemResult, choose_operating_point, result_rows
from benchmarks.retrieval.exact import mean_recall
from benchmarks.retrieval.plot import plot
from benchmarks.retrieval.texts import cut_texts, pieces, split_clauses

ABSTRACT = (
    "We measure light curves of forty stars, compare them with those of earlier surveys, and find no drift. "
    "A second survey is planned."
)


def some_papers(count: int) -> list[Paper]:
    return [
        Paper(id=f"2401.{place:05}", title=f"Star number {place}", abstract=ABSTRACT.replace("forty", str(place)))
        for place in range(count)
    ]


def test_a_sentence_is_cut_at_its_clauses_and_short_pieces_stay_with_their_neighbours():
    assert split_clauses("We measure light curves of stars, with care, and compare them with earlier surveys.") == [
        "We measure light curves of stars, with care,",
        "and compare them with earlier surveys.",
    ]


def test_pieces_are_what_the_author_wrote():
    found = list(pieces(some_papers(1)[0]))
    assert [piece.text for piece in found if piece.kind == "1 sentence"] == [
        "We measure light curves of 0 stars, compare them with those of earlier surveys, and find no drift.",
        "A second survey is planned.",
    ]
    assert "Star number 0. compare them with those of earlier surveys," in [
        piece.text for piece in found if piece.kind == "title and clause"
    ]
    assert {piece.kind for piece in found} >= {"title", "abstract", "2 sentences", "1 clause", "2 clauses"}


def test_texts_are_distinct_the_same_every_time_and_none_is_of_a_paper_with_a_query():
    papers = some_papers(60)
    texts, queries = cut_texts(papers, 10**6)
    again, _ = cut_texts(papers, 10**6)
    assert texts == again
    assert len({text.text for text in texts}) == len(texts) > 300
    asked = {query.paper for query in queries}
    assert len(asked) == len(queries) == 6
    assert not asked & {text.paper for text in texts}
    # All of these papers end with the same sentence, so the held-out papers have it too.
    assert "A second survey is planned." not in {text.text for text in texts}


def test_fewer_texts_are_the_first_of_more():
    papers = some_papers(60)
    assert cut_texts(papers, 50)[0] == cut_texts(papers, 10**6)[0][:50]


def test_a_collection_keeps_texts_as_they_are_and_refuses_another_encoder(tmp_path):
    source = tmp_path / "papers.jsonl"
    odd = "A line separator\u2028and a next line\u0085stay within this long sentence."
    records = [{"id": p.id, "title": p.title, "abstract": p.abstract, "categories": "cs.LG"} for p in some_papers(30)]
    records[3]["abstract"] = odd
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    prepare_collection(source, tmp_path / "made", 1000, "an encoder", print)
    collection = TextCollection(tmp_path / "made")
    texts = list(collection.texts(collection.recipe["texts"]))
    assert len(texts) == sum(collection.recipe["kinds"].values()) > 100
    assert collection.embedded == 0
    with pytest.raises(SystemExit, match="another recipe, source or encoder"):
        prepare_collection(source, tmp_path / "made", 1000, "another encoder", print)


def test_made_papers_are_as_long_as_abstracts_and_begin_with_their_text(tmp_path):
    source = tmp_path / "papers.jsonl"
    records = [{"id": p.id, "title": p.title, "abstract": p.abstract, "categories": "cs.LG"} for p in some_papers(30)]
    source.write_text("".join(json.dumps(record) + "\n" for record in records))
    collection = prepare_collection(source, tmp_path / "made", 1000, "an encoder", print)
    made = list(islice(catalogue.papers(collection, 50), 50))
    texts = list(islice(collection.texts(50), 50))
    assert len({paper.id for paper in made}) == 50
    for paper, text in zip(made, texts, strict=True):
        assert paper.abstract.startswith(text.text)
        assert catalogue.ABSTRACT_WORDS <= len(paper.abstract.split()) < 2 * catalogue.ABSTRACT_WORDS
    assert made == list(catalogue.papers(collection, 50))


class FakeWorker:
    """Worker that finds the first n of the ten right answers in n/1000 seconds."""

    def __init__(self, points: list[dict[str, int]]) -> None:
        self.first = {"points": points}
        self.asked: list[int] = []

    def ask(self, order: dict[str, Any]) -> dict[str, object]:
        good = order["point"]["ef"]
        self.asked.append(good)
        return {"seconds": good / 1000, "found": [[*range(good), *range(100, 110 - good)]] * order["queries"]}


def test_the_fastest_point_that_reaches_the_target_is_chosen():
    truth = np.tile(np.arange(10), (4, 1))
    worker = FakeWorker([{"ef": 5}, {"ef": 8}, {"ef": 10}])
    entry = SystemResult("hnswlib", build_s=1, file_mb=1)
    choose_operating_point(entry, worker, truth, 0.8)
    assert (entry.point, entry.recall) == ({"ef": 8}, 0.8)
    assert 10 not in worker.asked


def test_the_best_point_is_chosen_if_none_reaches_the_target():
    truth = np.tile(np.arange(10), (4, 1))
    entry = SystemResult("hnswlib", build_s=1, file_mb=1)
    choose_operating_point(entry, FakeWorker([{"ef": 3}, {"ef": 6}]), truth, 0.9)
    assert (entry.point, entry.recall) == ({"ef": 6}, 0.6)


def test_ratios_are_of_adjacent_rounds():
    ours = SystemResult(AKIN, 1, 1, qps=[50, 500], single_qps=[1, 1], p50_ms=[1, 1], p95_ms=[1, 1], memory_mb=30)
    theirs = SystemResult(
        REFERENCE, 1, 1, qps=[10, 100], single_qps=[1, 1], p50_ms=[1, 1], p95_ms=[1, 1], memory_mb=120
    )
    rows = {row.metric: row.value for row in result_rows([theirs, ours], "600k") if row.system == AKIN}
    assert (rows["qps_ratio"], rows["memory_ratio"], rows["qps"]) == (5.0, 0.25, 275)


def test_recall_does_not_depend_on_the_order():
    truth = np.arange(10)[None]
    assert mean_recall(truth[:, ::-1], truth) == 1.0
    assert mean_recall(np.where(truth < 4, truth, truth + 100), truth) == pytest.approx(0.4)


def test_a_cost_that_grows_with_the_square_root_is_predicted():
    sizes = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
    rows = [Row("akin", name, "build_s", n**0.5) for name, n in sizes.items() if n > 10_000]
    # An exact index has no training, so its build time does not belong to the curve.
    rows.append(Row("akin", "10k", "build_s", 0.01))
    curve = growth.curves(rows, sizes)["index build, s"]
    assert growth.predict(curve) == pytest.approx((10_000.0, 0.5))
    assert growth.predict(curve[:2]) is None
    assert "1e+04" in growth.growth_table({"index build, s": curve}, {n: name for name, n in sizes.items()})


def test_plots_are_svg():
    drawn = ET.fromstring(plot({"a <b>": [(10_000, 1.0), (1_000_000, 40.0)]}, "papers", "ms"))
    assert len(drawn.findall(".//{*}title")) == 2
    with pytest.raises(ValueError, match="nothing to draw"):
        plot({}, "papers", "ms")


def test_sizes_have_units():
    assert [size(name) for name in ("10k", "600k", "2.5M", "1234")] == [10_000, 600_000, 2_500_000, 1234]
    assert [label(count) for count in (10_000, 600_000, 2_500_000)] == ["10k", "600k", "2.5M"]


def test_a_run_replaces_its_own_rows_and_keeps_the_others(tmp_path):
    recipe = {"version": 1, "texts": 100}
    index, http = Row("akin", "100k", "qps", 1.0), Row("akin over HTTP", "100k", "ready_s", 2.0)
    other = Row("akin", "600k", "qps", 3.0)
    path = write_rows("retrieval", [index, http, other], tmp_path, texts=recipe)
    assert earlier_rows(path, [Row("akin", "100k", "qps", 9.0)], recipe) == [http, other]
    assert earlier_rows(path, [], recipe | {"texts": 99}) == []
    assert earlier_rows(tmp_path / "none.json", [index], recipe) == []


ENCODER = """
import numpy as np

class TextEncoder:
    dim = 1

    def __init__(self, folder, threads):
        {prompts}

    def encode(self, texts{input_type}):
        return np.full((len(texts), 1), {value}), None
"""


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ({"prompts": "self.prompts = {'query': 'q: ', 'passage': ''}", "input_type": ", input_type='query'"}, (0, 1)),
        ({"prompts": "self.prompts = {'query': '', 'passage': ''}", "input_type": ""}, (2, 2)),
        ({"prompts": "pass", "input_type": ""}, (2, 2)),
    ],
    ids=["with prompts", "without prompts", "earlier release"],
)
def test_texts_are_embedded_as_passages(tmp_path: Path, code: dict[str, str], values: tuple[int, int]) -> None:
    value = "float(input_type == 'passage')" if code["input_type"] else "2.0"
    (tmp_path / "runtime.py").write_text(ENCODER.format(**code, value=value))
    (tmp_path / "papers.jsonl").write_text(
        "".join(
            json.dumps({"id": paper.id, "title": paper.title, "abstract": paper.abstract}) + "\n"
            for paper in some_papers(60)
        )
    )
    collection = prepare_collection(tmp_path / "papers.jsonl", tmp_path / "texts-and-vectors", 10**6, "d", print)
    embed_collection(collection, 1, tmp_path, Path(sys.executable), print, workers=1)
    assert [np.load(collection.path(name)).max() for name in ("queries", "00000")] == list(values)
