"""Rows are trained and measured; what is done is not repeated, and a row that fails stops no other."""

import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from training.ablation import run
from training.ablation.rows import read_rows

Prepared = Callable[[str], Path]


class HereAndNow:
    """Executor that runs a job in this process when it is submitted."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ProcessPoolExecutor", HereAndNow)
    monkeypatch.setattr(run.time, "sleep", lambda _: None)
    run._read_sets.cache_clear()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the rows that were run; rows with `bad` in their name fail."""
    names: list[str] = []

    def run_row(folder: Path, row: Any, *_: object) -> list[dict[str, Any]]:
        names.append(row.name)
        if "bad" in row.name:
            raise ValueError("no")
        return [{"row": row.name, "digest": run.digest(row), "base_share": 0.0}]

    monkeypatch.setattr(run, "run_row", run_row)
    return names


def test_a_row_that_fails_stops_only_the_rows_that_average_it(
    prepared: Prepared, ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = prepared("[{name: a}, {name: bad}, {name: b}, {name: both, soup: [a, b]}, {name: half, soup: [a, bad]}]")
    assert run.main([str(folder)]) == 0
    assert sorted(ran) == ["a", "b", "bad", "both"]
    out, err = capsys.readouterr()
    assert "3 of 5 rows" in out
    assert "row bad failed" in err
    assert "averages bad, which failed" in err


def test_a_mining_that_fails_stops_only_its_rows(
    prepared: Prepared, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def mine(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr(run, "mine", mine)
    folder = prepared("[{name: hard, overrides: [mine=hybrid]}, {name: plain}]")
    assert run.main([str(folder)]) == 0
    assert ran == ["plain"]


def test_a_resumed_run_skips_rows_that_are_done_unless_they_have_changed(
    prepared: Prepared, ran: list[str], tmp_path: Path
) -> None:
    folder = prepared("[{name: a}, {name: bad}, {name: both, soup: [a]}]")
    run.main([str(folder)])
    ran.clear()
    run.main([str(folder)])
    assert ran == ["bad"]
    ran.clear()
    rows = (folder / "rows.json").read_text()
    (folder / "rows.json").write_text(rows.replace('"learning_rate": 0.01', '"learning_rate": 0.02', 1))
    assert (folder / "rows.json").read_text() != rows
    run.main([str(folder)])
    assert sorted(ran) == ["a", "bad"]
    ran.clear()
    run.main([str(folder), "--tokens", "8", "--only", "a"])
    assert ran == ["a"]


def test_a_soup_has_the_mean_of_the_weights_of_its_rows(prepared: Prepared) -> None:
    folder = prepared(
        "[{name: base, train: false}, {name: one}, {name: other, overrides: [seed=1, pairs=title]},"
        " {name: soup, soup: [base, one, other]}]"
    )
    assert run.main([str(folder), "--shares", "0", "0.5"]) == 0
    weights = {
        name: load_file(folder / "rows" / name / "model" / "model.safetensors")
        for name in ("base", "one", "other", "soup")
    }
    key = "embeddings.word_embeddings.weight"
    assert not weights["one"][key].equal(weights["base"][key])
    assert not weights["one"][key].equal(weights["other"][key])
    for name, found in weights["soup"].items():
        mean = sum(weights[each][name] for each in ("base", "one", "other")) / 3
        assert found.allclose(mean, atol=1e-6), name
    results = run.read_results(folder)
    assert [(each["row"], each["base_share"]) for each in results if each["row"] != "base"] == [
        (row, share) for row in ("one", "other", "soup") for share in (0.0, 0.5)
    ]
    assert {"words|dense|nDCG@10", "words|hybrid|nDCG@10"} < set(results[0]["means"])


def test_texts_are_cut_in_measuring_only(prepared: Prepared) -> None:
    """Cut texts to three tokens, the first word between two marks: all cosines are 1 or those of words."""
    folder = prepared("[{name: base, train: false}]")
    (row,) = read_rows(folder)
    whole, cut = (run.run_row(folder, row, [0.0], tokens)[0]["means"] for tokens in (None, 3))
    assert whole["words|lexical|nDCG@10"] == cut["words|lexical|nDCG@10"]
    assert whole["words|dense|nDCG@10"] < cut["words|dense|nDCG@10"] == 1
    saved = json.loads((folder / "rows" / "base" / "model" / "sentence_bert_config.json").read_text())
    assert saved.get("max_seq_length") != 3


def test_the_pairs_of_a_row_are_of_its_kinds_and_shares(prepared: Prepared) -> None:
    folder = prepared("[{name: a, overrides: ['pairs.shares={title: 1, first_sentence: 3}', pairs.most=8]}]")
    (row,) = read_rows(folder)
    run._select(folder / "pairs.jsonl", folder / "selected", row.configuration)
    kinds = [json.loads(line)["kind"] for line in (folder / "selected").read_text().splitlines()]
    assert (kinds.count("title"), kinds.count("first_sentence")) == (2, 6)


def test_blocks_of_neighbours_are_mined_and_stay_together(prepared: Prepared) -> None:
    changes = "mine=neighbours, mine.block=4, mine.relative_margin=0, pairs=title"
    folder = prepared(f"[{{name: blocks, overrides: [{changes}]}}]")
    assert run.main([str(folder), "--shares", "0"]) == 0
    (row,) = read_rows(folder)
    mined = run.pairs_file(folder, row.configuration).read_text().splitlines()
    titles = [line for line in (folder / "pairs.jsonl").read_text().splitlines() if '"kind": "title"' in line]
    assert sorted(mined) == sorted(titles)
    assert mined != titles
    assert run.read_results(folder)[0]["steps"] == 2


def test_only_the_rows_that_are_named_run(
    prepared: Prepared, ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = prepared("[{name: a}, {name: b}, {name: c}, {name: both, soup: [a, b]}]")
    assert run.main([str(folder), "--only", "c", "a", "both"]) == 0
    assert ran == ["a", "c"]
    assert "it averages b, which has no results: add it to --only" in capsys.readouterr().err
    assert run.main([str(folder), "--only", "b", "both"]) == 0
    assert ran == ["a", "c", "b", "both"]
    assert run.main([str(folder), "--only", "d"]) == 1
    assert "there is no such row. There are: a, b, c, both" in capsys.readouterr().err


def test_a_row_that_runs_out_of_memory_beside_others_runs_again_with_fewer(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[str] = []

    def run_row(folder: Path, row: Any, *_: object) -> list[dict[str, Any]]:
        tried.append(row.name)
        if row.name == "large" or tried.count(row.name) == 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 118.00 MiB.")
        return [{"row": row.name, "digest": run.digest(row), "base_share": 0.0}]

    monkeypatch.setattr(run, "run_row", run_row)
    folder = prepared("[{name: a}, {name: large}]")
    assert run.main([str(folder), "--workers", "3"]) == 0
    assert (tried.count("a"), tried.count("large")) == (2, 2)
    assert [each["row"] for each in run.read_results(folder)] == ["a"]
    assert "row large failed" in capsys.readouterr().err
