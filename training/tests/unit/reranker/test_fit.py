"""A reranker learns from groups, the same each time, and continues where it was stopped."""

import json
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from training.errors import ConfigurationError, CorpusError, FitError, RunError
from training.reranker import fit as fitting
from training.reranker.fit import fit
from training.reranker.groups import read_groups
from training.reranker.recipe import Recipe

RECIPE = Recipe(epochs=8, batch_size=16, learning_rate=3e-3, max_length=48)


def test_it_learns_and_is_a_cross_encoder(encoder: Path, groups: Path, tmp_path: Path) -> None:
    done = fit(groups, tmp_path / "made", model=str(encoder), recipe=RECIPE, device="cpu")
    assert done["steps"] == 8 * (300 // 16)
    assert done["before"]["first"] < 0.75
    assert done["after"]["first"] > 0.8
    assert done["search"] == {"MRR": 1.0, "first": 1.0}
    assert not (tmp_path / "made" / "checkpoint.pt").exists()
    model = CrossEncoder(str(tmp_path / "made"), device="cpu")
    assert model.max_seq_length == 48
    assert model.num_labels == 1
    query, positive, negative = "cesel ditin", "fovox baran gusel", "fovox haran gusel"
    good, bad = model.predict([(query, positive), (query, negative)])
    assert good > bad
    assert good > 1 or bad < 0, "the scores are logits, not shares"
    assert fit(groups, tmp_path / "made", model=str(encoder), recipe=RECIPE, device="cpu") == done
    with pytest.raises(RunError, match="another training"):
        fit(groups, tmp_path / "made", model=str(encoder), recipe=Recipe(), device="cpu")


def test_a_continued_training_equals_an_unbroken_one(
    encoder: Path, groups: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(batch_size=64, learning_rate=1e-3, max_length=48, loss="bce", distil=0.5)
    fit(groups, tmp_path / "unbroken", model=str(encoder), recipe=recipe, device="cpu")
    taken = fitting._Training._update

    def stop(self: fitting._Training, *arguments: object) -> object:
        if self._step == 3:
            raise KeyboardInterrupt
        return taken(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(fitting._Training, "_update", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(groups, tmp_path / "broken", model=str(encoder), recipe=recipe, device="cpu", save_every=0)
    monkeypatch.undo()
    done = fit(groups, tmp_path / "broken", model=str(encoder), recipe=recipe, device="cpu")
    assert done["steps"] == 300 // 64
    assert done["before"]
    scores = [
        CrossEncoder(str(tmp_path / name), device="cpu").predict([("baran", "cesel ditin")])[0]
        for name in ("broken", "unbroken")
    ]
    assert scores[0] == scores[1]


def test_it_stops_in_time(encoder: Path, groups: Path, tmp_path: Path) -> None:
    recipe = Recipe(epochs=10_000, minutes=0.01, batch_size=8, max_length=48)
    done = fit(groups, tmp_path / "made", model=str(encoder), recipe=recipe, device="cpu")
    assert done["steps"] > 0
    assert done["seconds"] < 3


def test_no_paper_is_trained_on_and_validated_on() -> None:
    papers = np.repeat(np.arange(200), 1 + np.arange(200) % 3)
    validation, train = fitting._split(papers, seed=0)
    assert not set(papers[validation]) & set(papers[train])
    assert sorted([*validation, *train]) == list(range(len(papers)))
    assert fitting._LEAST_VALIDATION <= len(validation) <= fitting._LEAST_VALIDATION + 3
    assert not len(fitting._split(papers[:60], seed=0)[0]), "of few groups, none is kept from the training"


def test_groups_of_one_paper_are_known_by_its_id_or_by_their_positive(tmp_path: Path) -> None:
    lines = [{"query": "q", "positive": text, "negatives": ["n"]} for text in ("p", "o", "p")]
    for named, expected in ((["a", "a", "b"], [0, 0, 1]), ([], [0, 1, 0])):
        for line, paper in zip(lines, named, strict=False):
            line["paper"] = paper
        (tmp_path / "groups.jsonl").write_text("\n".join(map(json.dumps, lines)))
        assert read_groups(tmp_path / "groups.jsonl").papers.tolist() == expected
        lines = [{name: line[name] for name in ("query", "positive", "negatives")} for line in lines]


def test_dropout_can_be_set_and_the_rate_may_rise_to_the_end(encoder: Path, groups: Path, tmp_path: Path) -> None:
    scores = {}
    for dropout in (None, 0.0):
        recipe = Recipe(batch_size=64, learning_rate=1e-3, max_length=48, warmup=1.0, dropout=dropout)
        fit(groups, tmp_path / str(dropout), model=str(encoder), recipe=recipe, device="cpu")
        model = CrossEncoder(str(tmp_path / str(dropout)), device="cpu")
        scores[dropout] = float(model.predict([("baran", "cesel ditin")])[0])
    assert scores[None] != scores[0.0]


def test_a_loss_that_is_not_finite_is_refused(encoder: Path, groups: Path, tmp_path: Path) -> None:
    recipe = Recipe(batch_size=64, learning_rate=1e30, max_length=48)
    with pytest.raises(FitError, match="smaller --learning-rate"):
        fit(groups, tmp_path / "made", model=str(encoder), recipe=recipe, device="cpu")


@pytest.mark.parametrize(
    "wrong",
    [
        {"dropout": 1.5}, {"warmup": -0.1}, {"distil": float("nan")}, {"batch_size": 0}, {"epochs": 0.0},
        {"minutes": -1.0}, {"negatives": 0}, {"temperature": 0.0}, {"learning_rate": float("nan")}, {"max_length": 0},
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=f"--{name.replace('_', '-')} .* give a number"):
        Recipe(**wrong)  # type: ignore[arg-type]


def test_passages_may_be_numbers_of_a_file_of_texts(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('"one"\n"two"\n"three"\n')
    (tmp_path / "groups.jsonl").write_text(
        json.dumps({"query": "q", "positive": 2, "negatives": [0, 1, 0]})
        + "\n"
        + json.dumps({"query": "r", "positive": 0, "negatives": [1]})
    )
    found = read_groups(tmp_path / "groups.jsonl", texts=tmp_path / "texts.jsonl", negatives=2)
    assert found.texts == ["one", "two", "three"]
    assert found.queries == ["q", "r"]
    assert found.scores is None
    assert np.array_equal(found.members, [[2, 0, 1], [0, 1, -1]])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        ('{"query": "q", "positive": "p"}', "has no 'negatives'"),
        ('{"query": "q", "positive": "p", "negatives": []}', "no negative"),
        ('{"query": 1, "positive": "p", "negatives": ["n"]}', "no text"),
        ('{"query": "q", "positive": "p", "negatives": ["n"], "scores": [1]}', "1 scores for 2 passages"),
        ("", "has no groups"),
    ],
)
def test_a_line_that_is_no_group_is_named(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "groups.jsonl").write_text(line)
    with pytest.raises(CorpusError, match=reason):
        read_groups(tmp_path / "groups.jsonl")
