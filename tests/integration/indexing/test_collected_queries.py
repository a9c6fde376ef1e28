"""Test that texts are searched in this process as the service would collect them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from akin import snapshots
from akin.cli import app
from akin.indexing.collected_queries import search_texts
from retrieval_service.corpus.directory import SnapshotDirectory
from tests.integration.generated import Corpus
from tests.integration.service import client_of


def test_the_records_are_those_of_the_service(corpus: Corpus) -> None:
    titles = [paper.title for paper in corpus.papers[:4]]
    folder = SnapshotDirectory(corpus.data)
    live = folder.current()
    assert live is not None
    texts = [*titles, "!!", "qqqqqq", "year:nonsense words"]
    found = asyncio.run(search_texts(folder.path(live), corpus.encoder, texts, k=5))
    assert found[4] is None
    with client_of(corpus.data, corpus.encoder, search_threads=2) as client:
        for title, record in zip(titles, found, strict=False):
            answer = client.post("/v1/search", json={"query": title, "k": 5}).json()
            assert record is not None
            assert record.ids == [each["id"] for each in answer["results"]]
            assert record.scores == pytest.approx([each["score"] for each in answer["results"]])
            vector = asyncio.run(corpus.encoder.embed_queries([title])).vectors[0]
            assert record.embedding is not None
            assert record.embedding.tolist() == vector.astype(np.float16).tolist()


def test_a_file_of_queries_is_compared_with_titles_of_the_corpus(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_hashes(settings: object, work: Any, *, say: object) -> Any:
        return asyncio.run(work(corpus.encoder))

    monkeypatch.setattr(snapshots, "use_encoder", with_hashes)
    monkeypatch.setenv("AKIN_DATA", str(corpus.data))
    file = tmp_path / "questions.txt"
    file.write_text("\n".join(f"{paper.title}?" for paper in corpus.papers[-120:]))
    report = ["drift", "report", "--most", "150", "--to", str(tmp_path / "drift"), "--json", "--current", str(file)]
    found = json.loads(CliRunner().invoke(app, report, catch_exceptions=False).stdout)
    assert (found["reference"]["queries"], found["current"]["queries"]) == (150, 120)
    assert found["mmd"]["p"] > 0.01  # titles of the same corpus
    assert found["reference"]["mean_unknown"] == 0
    file.write_text("\n".join(["wholly other questions about the flow over wings"] * 60))
    found = json.loads(CliRunner().invoke(app, report, catch_exceptions=False).stdout)
    assert found["mmd"]["p"] < 0.01
    assert {"unknown terms shifted", "words shifted"} <= {each.split(" (")[0] for each in found["reasons"]}
    robust = ["drift", "robustness", "--most", "100", "--json"]
    rows = {each["change"]: each for each in json.loads(CliRunner().invoke(app, robust).stdout)}
    assert rows["small letters"]["queries"] == rows["TeX"]["queries"] == 100
    assert 0 < rows["two typos"]["overlap"] < rows["a typo"]["overlap"] < 1
    assert sorted(path.name for path in (tmp_path / "drift").iterdir()) == ["report.html", "report.json"]
