"""A corpus that is too small is refused with the number it needs, and leaves no run behind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from training.errors import ConfigurationError, CorpusError
from training.pipeline import preflight, run
from training.pipeline.composition import compose
from training.pipeline.run_folder import RunFolder, create_run
from training.pipeline.stages import run_stages
from training.pipeline.stages.prepare import fewest_papers

FIELDS = "data.mapping='id=id,title=title,abstract=abstract,published=date'"
SHARES = ("data.validation_share=0.1", "data.held_out_share=0.1")

Prepare = Callable[..., RunFolder]


def write_papers(path: Path, count: int, texts: int, abstracts: bool = True) -> Path:
    """Write papers of a number of texts that are not near-duplicates."""
    with path.open("w") as file:
        for number in range(count):
            text = number % texts
            sentences = (" ".join(f"W{text}x{part}y{word}" for word in range(12)) for part in range(4))
            paper = {"id": f"p{number}", "title": f"t{text} u{text}", "abstract": ". ".join(sentences) + "."}
            paper["date"] = f"{2000 + number // 12}-{number % 12 + 1:02}-01"
            file.write(json.dumps(paper if abstracts else {**paper, "abstract": ""}) + "\n")
    return path


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Return a function that runs the stages before the model is needed."""

    def make(count: int, texts: int, *overrides: str, abstracts: bool = True) -> RunFolder:
        papers = write_papers(tmp_path / "papers.jsonl", count, texts, abstracts)
        chosen = ["experiment=smoke", "data=papers", f"data.papers={papers}", FIELDS, *SHARES, *overrides]
        made = create_run(tmp_path / "run", compose(chosen))
        run_stages(made, run.UNTIL_PAIRS)
        return made

    return make


@pytest.mark.parametrize(
    ("count", "texts", "words"),
    [
        (1, 1, "has 1 with title and abstract: give more papers"),
        (2, 2, "has 2 with title and abstract: give more papers"),
        (99, 99, "has 99 with title and abstract: give more papers"),
        (120, 1, "has 120 with title and abstract, 1 of them different"),
        (120, 5, "has 120 with title and abstract, 5 of them different"),
        (300, 99, "has 300 with title and abstract, 99 of them different"),
    ],
)
def test_too_few_different_papers_are_refused(count: int, texts: int, words: str, prepare: Prepare) -> None:
    with pytest.raises(CorpusError, match=f"at least 100 different papers.*{words}"):
        prepare(count, texts)


@pytest.mark.parametrize(("count", "texts"), [(100, 100), (120, 120), (400, 100)])
def test_enough_different_papers_make_pairs(count: int, texts: int, prepare: Prepare) -> None:
    assert prepare(count, texts).is_done("pairs")


def test_papers_without_abstracts_do_not_count(prepare: Prepare) -> None:
    with pytest.raises(CorpusError, match="has 0 with title and abstract"):
        prepare(120, 120, abstracts=False)


def test_papers_of_evaluation_sets_do_not_train_and_are_counted(prepare: Prepare, tmp_path: Path) -> None:
    whole = prepare(120, 120).stage_folder("prepare")
    trained = [json.loads(line) for line in (whole / "train.jsonl").read_text().splitlines()]
    folder = tmp_path / "set"
    (folder / "qrels").mkdir(parents=True)
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": trained[0]["title"].upper()}) + "\n")
    passage = {"_id": "d", "title": "Another", "text": trained[1]["abstract"]}
    (folder / "corpus.jsonl").write_text(json.dumps(passage) + "\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    run = prepare(120, 120, f"evaluation.sets=[{folder}]")
    left = [json.loads(line) for line in (run.stage_folder("prepare") / "train.jsonl").read_text().splitlines()]
    assert left == trained[2:]
    split = json.loads((run.stage_folder("prepare") / "split.json").read_text())
    assert split["left_out_because_in_evaluation_sets"] == 2


def test_most_draws_from_the_whole_file(prepare: Prepare) -> None:
    def ids(seed: int) -> list[str]:
        folder = prepare(400, 400, "data.most=100", f"seed={seed}").stage_folder("prepare")
        files = [folder / f"{name}.jsonl" for name in ("train", "validation", "held_out")]
        return [json.loads(line)["id"] for file in files for line in file.read_text().splitlines()]

    first = ids(0)
    assert len(first) == 100
    assert sum(int(identity[1:]) >= 200 for identity in first) > 30
    assert sorted(first) == sorted(ids(0)) != sorted(ids(1))


def test_a_limit_on_papers_is_named_if_it_is_the_reason(prepare: Prepare) -> None:
    with pytest.raises(CorpusError, match=r"has 50 .*raise data\.most"):
        prepare(120, 120, "data.most=50")


def test_shares_that_leave_too_few_to_search_in_are_named_and_those_proposed_suffice(prepare: Prepare) -> None:
    with pytest.raises(CorpusError, match=r"at least 334 .*has 120 .*set data\.validation_share=0\.084\.$"):
        prepare(120, 120, "data.validation_share=0.03", "data.held_out_share=0.15")
    assert prepare(120, 120, "data.validation_share=0.084", "data.held_out_share=0.15").is_done("pairs")


def test_fewer_pairs_than_a_batch_are_refused(prepare: Prepare) -> None:
    with pytest.raises(
        CorpusError, match=r"96 pairs of 2 kinds do not fill .* take 256.*trainer\.batch_size=48 at most"
    ):
        prepare(120, 120, "trainer.batch_size=256")


@pytest.mark.parametrize("share", [0.5, 0.1, 0.03, 1 / 3, 0.07, 1e-9])
def test_the_fewest_papers_leave_ten_in_each_part(share: float) -> None:
    data = compose(["experiment=smoke", f"data.validation_share={share}", "data.held_out_share=0.4"]).data
    found = fewest_papers(data)
    assert int(found * share) >= 10
    assert found == 100 or int((found - 2) * share) < 10


def test_shares_that_leave_no_paper_to_train_on_are_refused_before_the_run() -> None:
    with pytest.raises(ConfigurationError, match=r"data\.held_out_share and data\.validation_share"):
        preflight.check(compose(["experiment=smoke", "data.held_out_share=0.6", "data.validation_share=0.4"]))


def test_more_processes_than_batches_are_refused_before_a_model_is_loaded(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prepare(120, 120, "trainer.batch_size=60", "pairs=title")
    monkeypatch.setattr(run, "train_distributed", lambda *_: pytest.fail("it was started"))
    with pytest.raises(CorpusError, match=r"take 120 \(2 processes with 60 each\).*trainer\.batch_size=48 at most"):
        run.finish(made, processes=2)
    assert not made.is_done("mine")


def test_a_refused_run_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(tmp_path / "repository"))
    papers = write_papers(tmp_path / "papers.jsonl", 20, 20)
    assert run.main(["experiment=smoke", "data=papers", f"data.papers={papers}", FIELDS]) == 1
    assert "train: data.papers: training needs at least 334 different papers" in capsys.readouterr().err
    assert list((tmp_path / "data" / "training").iterdir()) == []


def test_a_file_of_other_fields_names_the_key_of_the_fields(tmp_path: Path) -> None:
    papers = tmp_path / "papers.csv"
    papers.write_text("key,heading,words\n1,a title,an abstract\n")
    chosen = ["experiment=smoke", "data=papers", f"data.papers={papers}"]
    made = create_run(tmp_path / "run", compose(chosen))
    with pytest.raises(CorpusError, match=r"""such as "data\.mapping='id=.*,title=title,abstract=text'\"$"""):
        run_stages(made, run.UNTIL_PAIRS)
    assert compose([*chosen, FIELDS]).data.mapping == "id=id,title=title,abstract=abstract,published=date"
