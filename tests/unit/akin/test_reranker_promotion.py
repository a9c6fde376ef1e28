"""A reranker is promoted by its evaluation: reranked search against hybrid search with the encoder that serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from akin.errors import EncoderError
from akin.registry import evaluations, promotion, versions
from akin.registry.versions import MODEL, RERANKER

GOOD = {"known": (0.01, 0.03)}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make two versions of the encoder and three of the reranker; the first of each was promoted by its export."""
    for model, count in ((MODEL, 2), (RERANKER, 3)):
        for number in range(1, count + 1):
            folder = tmp_path / model / str(number)
            folder.mkdir(parents=True)
            (folder / "manifest.json").write_text(json.dumps({"digest": f"{model} {number}"}))
        (tmp_path / model / versions.POINTER).write_text("1\n")
    return tmp_path


def evaluate(
    repository: Path,
    number: int,
    sets: dict[str, tuple[float, float]],
    *,
    encoder: int = 1,
    measured: int | None = None,
    aimed: tuple[str, ...] = (),
    earlier_sets: tuple[str, ...] = (),
) -> None:
    """Write an evaluation with an interval of reranked against hybrid search for each set.

    Everything that must not decide contradicts: other metrics, and hybrid against dense search.
    """
    own = {"digest": f"{MODEL} {encoder}", "encoder": "version"}
    systems: dict[str, Any] = {f"version {mode}": {**own, "mode": mode} for mode in ("dense", "hybrid")}
    systems["version reranked"] = {**own, "mode": "reranked", "reranker": f"{RERANKER} {measured or number}"}

    def difference(name: str, system: str, against: str, metric: str, low: float, high: float) -> dict[str, Any]:
        middle = {"difference": (low + high) / 2, "low": low, "high": high}
        return {"set": name, "system": system, "against": against, "metric": metric, **middle}

    content = {
        "created": "2026-11-24T08:00:00+00:00",
        "baseline": "version hybrid",
        "systems": systems,
        "sets": {name: {"kind": "retrieval", "queries": 10, "aimed": name in aimed} for name in sets},
        "scores": [],
        "differences": [
            each
            for name, (low, high) in sets.items()
            for each in (
                difference(name, "version reranked", "version hybrid", "MAP", -high, -low),
                difference(name, "version reranked", "version hybrid", "nDCG@10", low, high),
                difference(name, "version hybrid", "version dense", "nDCG@10", -high, -low),
            )
        ],
        "schema": 2,
        "earlier_sets": dict.fromkeys(earlier_sets, ""),
    }
    folder = evaluations.folder(repository, f"{RERANKER} {number}", RERANKER)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(content))


def test_better_on_one_set_and_inferior_on_none_is_promoted(repository: Path) -> None:
    evaluate(repository, 2, {"cranfield": (-0.0099, 0.02), **GOOD})
    line = promotion.promote(repository, 2, model=RERANKER)
    assert line is not None
    assert (line.version, line.before, line.how) == (2, 1, "proven")
    assert line.reason == (
        "reranked search better on known (nDCG@10 +0.0200, interval +0.0100 to +0.0300), inferior by more than 0.01 on "
        "none of 2 sets"
    )
    assert versions.promoted_number(repository, RERANKER) == 2
    assert promotion.history(repository) == []


@pytest.mark.parametrize(
    ("sets", "more", "complaint"),
    [
        ({**GOOD, "cisi": (-0.05, -0.01)}, {}, r"reranked search may be worse by more than 0\.01 on cisi \(nDCG@10 -0"),
        ({**GOOD, "cisi": (-0.01, 0.05)}, {}, r"may be worse by more than 0\.01 on cisi"),
        ({"known": (0.0, 0.03)}, {}, "reranked search is proven better on no primary set on known"),
        (GOOD, {"aimed": ("known",)}, "better only on known .*, where training aimed at this kind of search"),
        (GOOD, {"encoder": 2}, r"not with encoder version 1, which serves\. Run `akin evaluate --reranker 2 --set"),
        (GOOD, {"measured": 3}, "not with encoder version 1, which serves"),
        (GOOD, {"earlier_sets": ("cisi",)}, r"lacks cisi \(an earlier evaluation of this version has it\)\. Run"),
    ],
)
def test_a_reranker_that_is_not_proven_is_refused_with_set_figure_and_next_step(
    repository: Path, sets: dict[str, tuple[float, float]], more: dict[str, Any], complaint: str
) -> None:
    evaluate(repository, 2, sets, **more)
    with pytest.raises(EncoderError, match=complaint):
        promotion.promote(repository, 2, model=RERANKER)
    assert versions.promoted_number(repository, RERANKER) == 1
    assert promotion.promote(repository, 2, override="better for us", model=RERANKER) is not None


def test_no_set_of_the_serving_reranker_or_of_the_settings_can_be_left_out(repository: Path) -> None:
    evaluate(repository, 1, {"cisi": (0.0, 0.1)})
    evaluate(repository, 2, GOOD)
    with pytest.raises(EncoderError, match=r"lacks cisi \(version 1 was evaluated on it\)"):
        promotion.promote(repository, 2, model=RERANKER)
    evaluate(repository, 2, {**GOOD, "cisi": (0.0, 0.1)})
    with pytest.raises(EncoderError, match=r"lacks scitldr \(the settings require it\)"):
        promotion.promote(repository, 2, gate=promotion.Gate(required=("scitldr",)), model=RERANKER)
    with pytest.raises(EncoderError, match="proven better on no primary set on cisi"):
        promotion.promote(repository, 2, gate=promotion.Gate(primary=("cisi",)), model=RERANKER)
    assert promotion.promote(repository, 2, gate=promotion.Gate(primary=("known",)), model=RERANKER) is not None


def test_an_encoder_is_not_judged_by_its_reranked_search(repository: Path) -> None:
    evaluate(repository, 2, GOOD)
    report = evaluations.read(repository, f"{RERANKER} 2", RERANKER)
    assert report is not None
    assert report.name_of(f"{MODEL} 1") == "version hybrid"
    assert report.name_of(f"{MODEL} 1", "reranked") is None
    assert report.name_of(f"{MODEL} 1", "reranked", f"{RERANKER} 2") == "version reranked"
