"""Evaluate systems whose figures are known beforehand."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from akin.papers import Paper
from akin.relevance import place_inside, write_distractors
from training.arrays import Floats
from training.errors import EvaluationError
from training.evaluation import Bm25, evaluate, evaluate_systems, read_report
from training.evaluation.ranking import nearest
from training.evaluation.served import ServedReranker

ROOT = Path(__file__).parents[4]
COUNT = 40
WORDS = [f"word{n}" for n in range(COUNT)]


class Lookup:
    """Encoder that turns text n into unit vector n, and each of the first `wrong` queries into the next vector."""

    def __init__(self, wrong: int, digest: str | None = None) -> None:
        self.wrong = wrong
        self.encoded = 0
        self.description = {"kind": "lookup", "wrong": wrong} | ({"digest": digest} if digest else {})

    def encode_passages(self, texts: list[str]) -> Floats:
        self.encoded += len(texts)
        return np.eye(COUNT, dtype=np.float32)[[int(text.split()[-1].removeprefix("word")) for text in texts]]

    def encode_queries(self, texts: list[str]) -> Floats:
        vectors = self.encode_passages(texts)
        vectors[: self.wrong] = np.roll(vectors[: self.wrong], 1, axis=1)
        return vectors


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    folder = tmp_path / "words"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(
        "\n".join(json.dumps({"_id": f"p{n}", "text": f"all about {word}"}) for n, word in enumerate(WORDS))
    )
    (folder / "queries.jsonl").write_text(
        "\n".join(json.dumps({"_id": f"q{n}", "text": word}) for n, word in enumerate(WORDS))
    )
    (folder / "qrels/test.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(f"q{n}\tp{n}\t1\n" for n in range(COUNT))
    )
    return folder


@pytest.fixture
def reranker(tmp_path: Path) -> Path:
    """Put together a version of the reranker that counts the word "model" in a passage."""
    shutil.copytree(ROOT / "tests/data/reranker", tmp_path / "reranker")
    for name in ("reranker/pairs.py", "text_encoder/packing.py", "text_encoder/runtime.py"):
        shutil.copy(ROOT / "model_repository" / name, tmp_path / "reranker")
    return tmp_path / "reranker"


@pytest.fixture
def categorised(tmp_path: Path) -> Path:
    path = tmp_path / "papers.jsonl"
    records = [
        {"id": f"{n}", "title": f"of {'stars' if n % 2 else 'cells'}", "abstract": f"word{n}",
         "categories": "astro-ph.GA" if n % 2 else "q-bio.CB"}
        for n in range(COUNT)
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def test_the_report_has_every_figure_and_can_be_read_again(collection: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    systems = {"bm25": Bm25(), "good": Lookup(0), "worse": Lookup(10)}
    report = evaluate_systems(
        systems, [collection], tmp_path / "out", baseline="good", comparisons=[("worse", "bm25")],
        resamples=500, progress=lines.append,
    )  # fmt: skip
    assert {name: report.score("words", name, "recall@1").mean for name in systems} == {  # type: ignore[union-attr]
        "bm25": 1, "good": 1, "worse": 0.75,
    }  # fmt: skip
    apart = report.difference("words", "worse", "good", "recall@1")
    assert apart is not None
    assert apart.difference == pytest.approx(-0.25)
    assert apart.low < -0.25 < apart.high < 0
    further = report.difference("words", "worse", "bm25", "recall@1")
    assert further is not None
    assert msgspec.structs.replace(further, against="good") == apart
    same = report.difference("words", "bm25", "good", "nDCG@10")
    assert same is not None
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert report.sets["words"].queries == COUNT
    assert report.systems["worse"] == {"kind": "lookup", "wrong": 10}

    assert read_report(tmp_path / "out" / "report.json") == report
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| worse – good |" in text
    assert "**-0.2500**" in text
    for name in ("scores.png", "differences.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    assert any("words, worse: passages: 40 in" in line for line in lines)


def test_the_same_seed_gives_the_same_report(collection: Path, tmp_path: Path) -> None:
    def run(seed: int) -> list[object]:
        systems = {"good": Lookup(0), "worse": Lookup(10)}
        report = evaluate_systems(
            systems, [collection], tmp_path / "out", baseline="good", resamples=200, seed=seed, progress=lambda _: None
        )
        return [report.scores, report.differences]

    assert run(1) == run(1) != run(2)


def test_an_encoder_with_a_digest_encodes_each_set_once(collection: Path, tmp_path: Path) -> None:
    first, again, other, unnamed = Lookup(0, "a"), Lookup(0, "a"), Lookup(0, "b"), Lookup(0)
    for system in (first, again, other, unnamed):
        report = evaluate_systems(
            {"x": system}, [collection], tmp_path / "out", baseline="x", resamples=10, cache=tmp_path / "kept",
            progress=lambda _: None,
        )  # fmt: skip
        assert report.scores[0].mean == 1
    assert [system.encoded for system in (first, again, other, unnamed)] == [2 * COUNT, 0, 2 * COUNT, 2 * COUNT]


def test_the_search_of_the_service_is_measured_by_words_by_vectors_and_hybrid(collection: Path, tmp_path: Path) -> None:
    good, worse = Lookup(0, "a"), Lookup(10, "b")
    report = evaluate_systems(
        {"bm25": Bm25(), "good": good, "worse": worse}, [collection], tmp_path / "out", baseline="good",
        comparisons=[("worse", "bm25")], resamples=200, cache=tmp_path / "kept", served=tmp_path / "served",
        progress=lambda _: None,
    )  # fmt: skip
    assert list(report.systems) == [
        "bm25", "lexical", "good dense", "good hybrid", "worse dense", "worse hybrid",
    ]  # fmt: skip
    assert report.systems["worse hybrid"] == {
        "kind": "lookup", "wrong": 10, "digest": "b", "encoder": "worse", "mode": "hybrid",
    }  # fmt: skip
    first = {name: report.score("words", name, "recall@1").mean for name in report.systems}  # type: ignore[union-attr]
    assert first["lexical"] == first["good dense"] == first["good hybrid"] == 1
    assert first["worse dense"] == 0.75
    # The service's fusion decides between the two halves; tests of the service cover it.
    assert first["worse hybrid"] >= 0.75
    assert report.baseline == "good hybrid"
    pairs = {(each.system, each.against) for each in report.differences}
    assert pairs == {
        ("worse dense", "good dense"), ("worse hybrid", "good hybrid"), ("worse dense", "bm25"),
        ("worse hybrid", "bm25"), ("bm25", "good dense"), ("bm25", "good hybrid"),
        *((f"{name} {mode}", "lexical") for name in ("good", "worse") for mode in ("dense", "hybrid")),
        *((f"{name} hybrid", f"{name} dense") for name in ("good", "worse")),
    }  # fmt: skip
    size = report.sets["words"]
    assert (size.metric, size.depth) == ("MRR@10", 100)
    assert {"fusion", "pool", "dense_weight"} <= report.settings["service"].keys()

    encoded = good.encoded
    evaluate_systems(
        {"good": good}, [collection], tmp_path / "out", baseline="good", resamples=10, cache=tmp_path / "kept",
        served=tmp_path / "served", progress=lambda _: None,
    )  # fmt: skip
    assert good.encoded == encoded + 1, "only the text that tells the number of dimensions"


def test_the_search_with_a_reranker_is_measured_for_the_encoders_that_are_named(
    collection: Path, reranker: Path, tmp_path: Path
) -> None:
    passages = {f"p{n}": f"all about {word}" for n, word in enumerate(WORDS)}
    passages["p1"] += " model"
    passages["p2"] += " model model"
    passages["p3"] += " model model model"
    (collection / "corpus.jsonl").write_text(
        "\n".join(json.dumps({"_id": name, "text": f"{text} word0"}) for name, text in passages.items())
    )
    (collection / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "word0"}))
    (collection / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tp3\t1\n")

    class Same(Lookup):
        def encode_passages(self, texts: list[str]) -> Floats:
            return np.eye(COUNT, dtype=np.float32)[[0] * len(texts)]

    report = evaluate_systems(
        {"x": Same(0, "a"), "y": Same(0, "b")}, [collection], tmp_path / "out", baseline="x", resamples=10,
        served=tmp_path / "served", reranker=ServedReranker(reranker, 50), reranked=["y"], progress=lambda _: None,
    )  # fmt: skip
    assert list(report.systems) == ["lexical", "x dense", "x hybrid", "y dense", "y hybrid", "y reranked"]
    assert report.systems["y reranked"] == {
        "kind": "lookup", "wrong": 0, "digest": "b", "encoder": "y", "mode": "reranked", "reranker": "0" * 64,
        "reranker version": 1, "reranker name": "counts", "rerank": 50,
    }  # fmt: skip
    first = {name: report.score("words", name, "recall@1").mean for name in report.systems}  # type: ignore[union-attr]
    assert (first["y reranked"], first["y hybrid"]) == (1, 0), "the passage with the most models is the first"
    apart = report.difference("words", "y reranked", "y hybrid", "recall@1")
    assert apart is not None
    assert apart.difference == 1
    assert "| words | MRR@10 | x |" in (tmp_path / "out/report.md").read_text()
    assert "| lexical | dense | hybrid | reranked |" in (tmp_path / "out/report.md").read_text()


def test_a_reranker_that_cannot_be_measured_is_refused(reranker: Path, tmp_path: Path) -> None:
    for rerank in (0, 51):
        with pytest.raises(EvaluationError, match=f"--rerank {rerank} cannot be measured: the service reranks 1 to 50"):
            ServedReranker(reranker, rerank)
    with pytest.raises(EvaluationError, match="cannot be run as a version of the reranker"):
        ServedReranker(tmp_path, 10)


class ShiftedWords:
    """Sparse model that gives each passage the word of the next one."""

    name, digest = "shifted", "s" * 64
    written = 0

    def write(self, papers: Iterable[Paper], path: Path) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [{"id": f"p{n}", "weights": {f"word{(n + 1) % COUNT}": 1.0}} for n in range(COUNT)]
        assert [paper.id for paper in papers] == [line["id"] for line in lines]
        path.write_text("\n".join(map(json.dumps, lines)))
        self.written += 1
        return COUNT


def test_words_are_ranked_by_a_sparse_model_if_there_is_one(collection: Path, tmp_path: Path) -> None:
    first = {}
    words = ShiftedWords()
    for sparse in (None, words, words):
        report = evaluate_systems(
            {"x": Lookup(0, "x")}, [collection], tmp_path / "out", baseline="x", resamples=10,
            served=tmp_path / "served", sparse=sparse, progress=lambda _: None,  # type: ignore[arg-type]
        )  # fmt: skip
        assert report.settings.get("sparse") == ({"name": "shifted", "digest": "s" * 64} if sparse else None)
        first[sparse] = report.score("words", "lexical", "recall@1").mean  # type: ignore[union-attr]
        assert report.score("words", "x dense", "recall@1").mean == 1  # type: ignore[union-attr]
    assert first == {None: 1, words: 0}
    assert words.written == 1, "the file of a corpus is made once"


def test_a_report_with_a_sparse_model_must_not_lie_where_promotions_look(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["--repository", str(tmp_path), "--version", "1", "--sparse", "model", "--served", str(tmp_path)]
    assert evaluate.main(command) == 1
    assert "--sparse measures the service's search with other words" in capsys.readouterr().err


def test_an_encoder_without_a_digest_is_indexed_anew(collection: Path, tmp_path: Path) -> None:
    for wrong, expected in ((0, 1), (10, 0.75)):
        system = Lookup(wrong)
        system.description = {"kind": "in training"}
        report = evaluate_systems(
            {"x": system}, [collection], tmp_path / "out", baseline="x", resamples=10, served=tmp_path / "served",
            progress=lambda _: None,
        )  # fmt: skip
        assert report.score("words", "x dense", "recall@1").mean == expected  # type: ignore[union-attr]
    assert not (tmp_path / "served").exists()


def test_no_judgement_and_no_query_reaches_the_index(collection: Path, tmp_path: Path) -> None:
    def rankings() -> list[object]:
        report = evaluate_systems(
            {"x": Lookup(0)}, [collection], tmp_path / "out", baseline="x", resamples=10, served=tmp_path / "served",
            progress=lambda _: None,
        )  # fmt: skip
        return [each.mean for each in report.scores if each.metric == "nDCG@10"]

    before = rankings()
    (collection / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tp1\t1\n")
    (collection / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": WORDS[1]}))
    assert rankings() == before == [1, 1, 1]


def test_sets_of_the_same_passages_share_an_index_and_a_set_inside_more_papers_has_its_own(
    collection: Path, tmp_path: Path
) -> None:
    distractors = tmp_path / "distractors.jsonl"
    further = Paper(id="x", title="", abstract=f"{WORDS[0]} again, and {WORDS[39]}")
    write_distractors([further], distractors, count=1, seed=0)
    place_inside(collection, distractors, tmp_path / "words-large", without=[])
    shutil.copytree(collection, tmp_path / "again")
    (tmp_path / "again/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq39\tp39\t1\nq39\tp0\t1\n")
    report = evaluate_systems(
        {"x": Lookup(0, "a")}, [collection, tmp_path / "again", tmp_path / "words-large"], tmp_path / "out",
        baseline="x", resamples=10, served=tmp_path / "served", progress=lambda _: None,
    )  # fmt: skip
    assert {name: (each.passages, each.depth, each.metric) for name, each in report.sets.items()} == {
        "words": (40, 100, "MRR@10"), "again": (40, 1000, "nDCG@10"), "words-large": (41, 100, "MRR@10"),
    }  # fmt: skip
    assert len(list((tmp_path / "served/snapshots").glob("2*"))) == 2
    assert report.score("words", "lexical", "recall@1").mean == 1  # type: ignore[union-attr]
    assert report.score("words-large", "lexical", "recall@10").mean == 1  # type: ignore[union-attr]


def test_subjects_are_measured_for_encoders_and_for_bm25(categorised: Path, tmp_path: Path) -> None:
    class ByTitle(Lookup):
        """Encoder whose vectors point mostly to the paper's subject, and a little to the paper's own direction."""

        def encode_passages(self, texts: list[str]) -> Floats:
            own = super().encode_passages(texts)
            own[:, 0] += [5 * ("stars" in text) for text in texts]
            own[:, 1] += [5 * ("cells" in text) for text in texts]
            return np.asarray(own / np.linalg.norm(own, axis=1, keepdims=True))

    report = evaluate_systems(
        {"bm25": Bm25(), "subjects": ByTitle(0), "blind": Lookup(0)}, [], tmp_path / "out", baseline="blind",
        subject_papers=categorised, resamples=100, progress=lambda _: None,
    )  # fmt: skip
    assert report.score("subject agreement", "subjects", "agreement@10").mean == 1  # type: ignore[union-attr]
    assert report.score("subject agreement", "bm25", "agreement@10").mean == 1  # type: ignore[union-attr]
    assert report.score("subject agreement", "blind", "agreement@10").mean < 0.7  # type: ignore[union-attr]
    assert report.score("subject probe", "subjects", "accuracy").mean == 1  # type: ignore[union-attr]
    assert report.score("subject probe", "blind", "accuracy").mean < 0.8  # type: ignore[union-attr]
    assert report.score("subject probe", "bm25", "accuracy") is None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"baseline": "none"}, "none cannot be compared; the systems are: good"),
        ({"baseline": "good", "comparisons": [("good", "bad")]}, "bad cannot be compared"),
        ({"baseline": "good", "sets": []}, "nothing to evaluate on"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_encoded(
    collection: Path, tmp_path: Path, options: dict[str, object], complaint: str
) -> None:
    system = Lookup(0)
    arguments = {"sets": [collection], "output": tmp_path / "out", **options}
    with pytest.raises(EvaluationError, match=complaint):
        evaluate_systems({"good": system}, **arguments)  # type: ignore[arg-type]
    assert system.encoded == 0
    assert not (tmp_path / "out").exists()


def test_vectors_that_are_not_of_length_one_are_refused(collection: Path, tmp_path: Path) -> None:
    class Long(Lookup):
        def encode_passages(self, texts: list[str]) -> Floats:
            return super().encode_passages(texts) * np.float32(2)

    with pytest.raises(EvaluationError, match="words, long: passages: not all vectors have length one"):
        evaluate_systems({"long": Long(0)}, [collection], tmp_path / "out", baseline="long", progress=lambda _: None)
    assert not (tmp_path / "out").exists()


def test_papers_without_subjects_are_refused(collection: Path, tmp_path: Path) -> None:
    papers = tmp_path / "papers.jsonl"
    papers.write_text("\n".join(json.dumps({"id": str(n), "title": f"t{n}", "abstract": f"a{n}"}) for n in range(9)))
    with pytest.raises(EvaluationError, match="has 0 categories of at least 10 papers"):
        evaluate_systems(
            {"good": Lookup(0)}, [collection], tmp_path / "out", baseline="good", subject_papers=papers,
            mapping="id=id,title=title,abstract=abstract",
        )  # fmt: skip


def test_bm25_ranks_by_stems_and_finds_nothing_where_no_term_is_shared() -> None:
    passages = ["the wing lifts the aircraft", "cabbages and kings", "lifting a wing, twice a wing"]
    ranking = Bm25().rank(["wings lifted", "the of and", "zebra"], passages, 10).positions
    assert sorted(ranking[0][:2]) == [0, 2]
    assert ranking[0][2] == -1
    assert (ranking[1:] == -1).all()


def test_equal_scores_keep_the_order_and_a_paper_is_not_its_own_neighbour() -> None:
    same = np.tile(np.array([[1, 0]], dtype=np.float32), (4, 1))
    assert nearest(same, same, 10).positions.tolist() == [[0, 1, 2, 3]] * 4
    found = nearest(np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32), 10, without_self=True).positions
    assert all(row not in found[row] for row in range(4))
    assert found.shape == (4, 3)
