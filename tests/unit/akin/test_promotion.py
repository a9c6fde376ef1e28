from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from akin.cli import app
from akin.errors import EncoderError
from akin.registry import evaluations, promotion, versions
from storage import durable


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make three versions; the first was promoted by its export."""
    for number in (1, 2, 3):
        folder = tmp_path / versions.MODEL / str(number)
        folder.mkdir(parents=True)
        manifest = {"digest": digest(number), "version": number, "name": "tiny", "dim": 8, "max_length": 16}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / versions.MODEL / versions.POINTER).write_text("1\n")
    return tmp_path


def digest(number: int) -> str:
    return f"{number}" * 64


def evaluate(
    repository: Path, number: int, against: int, sets: dict[str, tuple[float, float]], kind: str = "retrieval"
) -> None:
    """Write an evaluation with the given interval of the difference for each set."""
    names = (f"version {number}", f"version {against}")
    folder = evaluations.folder(repository, digest(number))
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "created": "2026-11-24T08:00:00+00:00",
        "baseline": names[1],
        "systems": {name: {"digest": digest(each)} for name, each in zip(names, (number, against), strict=True)},
        "sets": {name: {"kind": kind, "queries": 10, "passages": 10, "digest": ""} for name in sets},
        "scores": [
            {"set": name, "system": names[0], "metric": "nDCG@10", "mean": 0.5, "low": 0.4, "high": 0.6}
            for name in sets
        ],
        "differences": [
            {"set": name, "system": names[0], "against": names[1], "metric": metric, "difference": (low + high) / 2,
             "low": low * sign, "high": high * sign, "p": 0.5}
            for name, (low, high) in sets.items()
            # Other measures contradict; they do not decide a promotion.
            for metric, sign in (("MAP", -1), ("nDCG@10", 1))
        ],
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(content))


def test_better_on_one_set_and_worse_on_none_is_promoted(repository: Path) -> None:
    evaluate(repository, 2, 1, {"cranfield": (-0.01, 0.02), "known": (0.01, 0.03)})
    line = promotion.promote(repository, 2)
    assert line is not None
    assert (line.version, line.before, line.how, line.digest) == (2, 1, "proven", digest(2))
    assert "better on known (nDCG@10 +0.0200, interval +0.0100 to +0.0300), worse on none of 2 sets" in line.reason
    assert versions.promoted_number(repository) == 2
    assert promotion.history(repository) == [line]
    assert promotion.promote(repository, 2) is None
    assert promotion.history(repository) == [line]


@pytest.mark.parametrize(
    ("sets", "complaint"),
    [
        (
            {"known": (0.01, 0.03), "cisi": (-0.05, -0.01)},
            r"searches worse on cisi \(nDCG@10 -0\.0300, interval -0\.0500 to -0\.0100\)",
        ),
        ({"known": (-0.01, 0.03)}, r"proven better on no set on known \(nDCG@10 \+0\.0100"),
        ({"known": (0.0, 0.0)}, "proven better on no set"),
    ],
)
def test_a_version_that_is_worse_or_not_better_is_refused_with_set_and_figure(
    repository: Path, sets: dict[str, tuple[float, float]], complaint: str
) -> None:
    evaluate(repository, 2, 1, sets)
    with pytest.raises(EncoderError, match=complaint):
        promotion.promote(repository, 2)
    assert versions.promoted_number(repository) == 1
    assert promotion.history(repository) == []


def test_without_an_evaluation_against_the_serving_version_nothing_is_promoted(repository: Path) -> None:
    with pytest.raises(EncoderError, match=r"was not evaluated\. Run `akin encoder evaluate 2 --set FOLDER`"):
        promotion.promote(repository, 2)
    evaluate(repository, 2, 3, {"known": (0.01, 0.03)})
    with pytest.raises(EncoderError, match="does not compare it with version 1, which serves"):
        promotion.promote(repository, 2)
    evaluate(repository, 2, 1, {"subject agreement": (0.1, 0.3)}, kind="subject agreement")
    with pytest.raises(EncoderError, match="does not compare it with version 1"):
        promotion.promote(repository, 2)
    assert versions.promoted_number(repository) == 1


def test_an_evaluation_of_another_encoder_under_the_same_number_proves_nothing(repository: Path) -> None:
    evaluate(repository, 2, 1, {"known": (0.01, 0.03)})
    path = repository / versions.MODEL / "1" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "digest": "f" * 64}))
    with pytest.raises(EncoderError, match="does not compare it with version 1"):
        promotion.promote(repository, 2)


def test_an_override_is_recorded_with_its_reason(repository: Path) -> None:
    line = promotion.promote(repository, 3, override="smoke test")
    assert line is not None
    assert (line.how, line.reason) == ("overridden", "smoke test")
    assert versions.promoted_number(repository) == 3


def test_rollback_goes_back_step_by_step_to_the_first(repository: Path) -> None:
    promotion.promote(repository, 2, override="x")
    promotion.promote(repository, 3, override="y")
    assert promotion.rollback(repository).version == 2
    promotion.promote(repository, 3, override="again")
    assert [promotion.rollback(repository).version for _ in range(2)] == [2, 1]
    with pytest.raises(EncoderError, match="no earlier promotion to go back to"):
        promotion.rollback(repository)
    assert versions.promoted_number(repository) == 1
    assert [line.how for line in promotion.history(repository)][-1] == "rolled back"


def test_rollback_to_a_missing_version_is_refused_and_changes_nothing(repository: Path) -> None:
    promotion.promote(repository, 2, override="x")
    (repository / versions.MODEL / "1").rename(repository / "elsewhere")
    with pytest.raises(EncoderError, match="version 1 is not in"):
        promotion.rollback(repository)
    assert versions.promoted_number(repository) == 2


def test_a_pointer_to_a_missing_version_can_be_repaired(repository: Path) -> None:
    (repository / versions.MODEL / versions.POINTER).write_text("latest")
    line = promotion.promote(repository, 2)
    assert line is not None
    assert (line.how, line.before) == ("first", None)
    assert versions.promoted_number(repository) == 2


def test_a_history_that_lost_its_last_line_still_leads_back(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == promotion.HISTORY:
            raise OSError(28, "No space left on device")
        durable.replace_file(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(promotion, "replace_file", full)
        with pytest.raises(EncoderError, match=r"version 2 is promoted, but .*No space left on device"):
            promotion.promote(repository, 2, override="x")
    promotion.promote(repository, 3, override="y")
    assert promotion.rollback(repository).version == 2


@pytest.mark.parametrize(("file", "content"), [("PROMOTIONS.jsonl", "{}"), ("report.json", '{"created": 3}')])
def test_damaged_files_are_named(repository: Path, file: str, content: str) -> None:
    evaluate(repository, 2, 1, {"known": (0.01, 0.03)})
    folder = repository / versions.MODEL if file == promotion.HISTORY else evaluations.folder(repository, digest(2))
    (folder / file).write_text(content)
    with pytest.raises(EncoderError, match=rf"{file} cannot be read"):
        promotion.promote(repository, 2)
    assert versions.promoted_number(repository) == 1


def test_the_commands_print_promotions(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(repository))
    evaluate(repository, 2, 1, {"known": (0.01, 0.03)})
    run = CliRunner().invoke
    listed = json.loads(run(app, ["encoder", "list", "--json"]).stdout)
    assert [version["number"] for version in listed] == [1, 2, 3]
    assert listed[0]["evaluation"] is None
    assert listed[1]["evaluation"]["nDCG@10"] == {"known": 0.5}
    assert listed[1]["manifest"]["digest"] == digest(2)
    assert run(app, ["encoder", "promote", "2"]).exit_code == 0
    assert isinstance(run(app, ["encoder", "promote", "3"]).exception, EncoderError)
    assert run(app, ["encoder", "rollback"]).exit_code == 0
    assert versions.promoted_number(repository) == 1
    history = json.loads(run(app, ["encoder", "history", "--json"]).stdout)
    assert [(line["version"], line["how"]) for line in history] == [(2, "proven"), (1, "rolled back")]
    assert str(evaluations.folder(repository, digest(2))) in run(app, ["encoder", "info", "2"]).stdout
