from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from akin import training_environment
from akin.cli import app
from akin.cli.evaluate import set_names
from akin.errors import EncoderError
from akin.registry import evaluations, promotion, versions
from akin.storage import durable


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
    repository: Path,
    number: int,
    against: int,
    sets: dict[str, tuple[float, float]],
    *,
    kind: str = "retrieval",
    lost: dict[str, float] | None = None,
    fp32: bool = True,
    aimed: tuple[str, ...] = (),
    earlier_sets: tuple[str, ...] = (),
    schema: int = 2,
) -> None:
    """Write an evaluation with the given interval of the difference in hybrid search for each set.

    Everything that must not decide contradicts: other metrics, and dense search.
    """
    one, other = f"version {number}", f"version {against}"
    systems: dict[str, dict[str, object]] = {"lexical": {"mode": "lexical"}}
    for name, each in ((one, number), (other, against)):
        for mode in ("dense", "hybrid"):
            systems[f"{name} {mode}"] = {"digest": digest(each), "encoder": name, "mode": mode, "fp32": "base"}
            systems[f"base {mode}"] = {"digest": "weights", "encoder": "base", "mode": mode}

    def difference(name: str, system: str, against: str, metric: str, low: float, high: float) -> dict[str, object]:
        middle = {"difference": (low + high) / 2, "low": low, "high": high, "p": 0.5}
        return {"set": name, "system": system, "against": against, "metric": metric, **middle}

    differences = []
    for name, (low, high) in sets.items():
        differences += [
            difference(name, f"{one} hybrid", f"{other} hybrid", "MAP", -high, -low),
            difference(name, f"{one} hybrid", f"{other} hybrid", "nDCG@10", low, high),
            difference(name, f"{one} dense", f"{other} dense", "nDCG@10", -high, -low),
        ]
        for mode in ("dense", "hybrid") if fp32 else ():
            loss = (lost or {}).get(f"{name} {mode}", 0.0)
            differences.append(difference(name, f"{one} {mode}", f"base {mode}", "nDCG@10", -loss - 1, -loss + 1))
    content = {
        "created": "2026-11-24T08:00:00+00:00",
        "baseline": f"{other} hybrid",
        "systems": systems,
        "sets": {
            name: {"kind": kind, "queries": 10, "passages": 10, "digest": "", "aimed": name in aimed} for name in sets
        },
        "scores": [
            {"set": name, "system": f"{one} hybrid", "metric": "nDCG@10", "mean": 0.5, "low": 0.4, "high": 0.6}
            for name in sets
        ],
        "differences": differences,
        "schema": schema,
        "earlier_sets": dict.fromkeys(earlier_sets, ""),
    }
    folder = evaluations.folder(repository, digest(number))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(content))


def test_better_on_one_set_and_inferior_on_none_is_promoted(repository: Path) -> None:
    evaluate(repository, 2, 1, {"cranfield": (-0.0099, 0.02), "known": (0.01, 0.03)})
    line = promotion.promote(repository, 2)
    assert line is not None
    assert (line.version, line.before, line.how, line.digest) == (2, 1, "proven", digest(2))
    assert line.reason == (
        "hybrid search better on known (nDCG@10 +0.0200, interval +0.0100 to +0.0300), inferior by more than 0.01 on "
        "none of 2 sets"
    )
    assert versions.promoted_number(repository) == 2
    assert promotion.history(repository) == [line]
    assert promotion.promote(repository, 2) is None
    assert promotion.history(repository) == [line]


GOOD = {"known": (0.01, 0.03)}


@pytest.mark.parametrize(
    ("sets", "more", "complaint"),
    [
        (
            {**GOOD, "cisi": (-0.05, -0.01)}, {},
            r"may be worse by more than 0\.01 on cisi \(nDCG@10 -0\.0300, interval -0\.0500 to -0\.0100\)",
        ),
        # Not worse beyond chance, and not proven to be as good either.
        ({**GOOD, "cisi": (-0.01, 0.05)}, {}, r"may be worse by more than 0\.01 on cisi"),
        ({"known": (-0.005, 0.03)}, {}, r"proven better on no primary set on known \(nDCG@10 \+0\.0125"),
        ({"known": (0.0, 0.0)}, {}, "proven better on no primary set"),
        (GOOD, {"aimed": ("known",)}, r"better only on known \(.*, where training aimed at this kind of search\. Run"),
        (
            GOOD, {"lost": {"known hybrid": 0.006}},
            r"compression loses more than 0\.005 to its own FP32 weights on known \(nDCG@10 -0\.0060",
        ),
        (GOOD, {"lost": {"known dense": 0.006}}, "compression loses more than"),
        (GOOD, {"fp32": False}, "its own FP32 weights on known. Run `akin evaluate 2` without `--base none`"),
        (GOOD, {"earlier_sets": ("cisi",)}, r"lacks cisi \(an earlier evaluation of this version has it\)\. Run"),
        (GOOD, {"schema": 1}, "of an earlier release, which did not measure hybrid search. Run `akin evaluate 2 --set"),
        (GOOD, {"kind": "subject agreement"}, "does not compare it with version 1"),
    ],
)  # fmt: skip
def test_a_version_that_is_not_proven_is_refused_with_set_figure_and_next_step(
    repository: Path, sets: dict[str, tuple[float, float]], more: dict[str, object], complaint: str
) -> None:
    evaluate(repository, 2, 1, sets, **more)  # type: ignore[arg-type]
    with pytest.raises(EncoderError, match=complaint):
        promotion.promote(repository, 2)
    assert versions.promoted_number(repository) == 1
    assert promotion.history(repository) == []


@pytest.mark.parametrize(
    ("systems", "complaint"),
    [
        ({"version 2 hybrid"}, r"lacks cisi \(only one of the two searches was measured on it\)"),
        ({"version 2 hybrid FP32"}, "not compared with its own FP32 weights on cisi"),
        ({"version 2 dense FP32"}, "not compared with its own FP32 weights on cisi"),
    ],
)
def test_every_set_of_a_report_must_be_measured_in_each_way(
    repository: Path, systems: set[str], complaint: str
) -> None:
    evaluate(repository, 2, 1, {**GOOD, "cisi": (0.0, 0.1)})
    path = evaluations.folder(repository, digest(2)) / "report.json"
    report = json.loads(path.read_bytes())

    def name(difference: dict[str, str]) -> str:
        return difference["system"] + (" FP32" if difference["against"].startswith("base") else "")

    report["differences"] = [
        each for each in report["differences"] if each["set"] != "cisi" or name(each) not in systems
    ]
    path.write_text(json.dumps(report))
    with pytest.raises(EncoderError, match=complaint):
        promotion.promote(repository, 2)


@pytest.mark.parametrize("field", ["low", "difference"])
def test_a_figure_that_is_no_number_proves_nothing(repository: Path, field: str) -> None:
    evaluate(repository, 2, 1, {**GOOD, "cisi": (0.0, 0.1)})
    path = evaluations.folder(repository, digest(2)) / "report.json"
    report = json.loads(path.read_bytes())
    report["differences"][-1][field] = float("nan")
    path.write_text(json.dumps(report))
    with pytest.raises(EncoderError, match=r"report\.json cannot be read"):
        promotion.promote(repository, 2)


def test_a_set_that_training_aimed_at_counts_beside_another_one(repository: Path) -> None:
    evaluate(repository, 2, 1, {**GOOD, "claims": (0.001, 0.01)}, aimed=("known",), lost={"known hybrid": 0.0049})
    assert promotion.promote(repository, 2) is not None


def test_no_set_of_the_serving_version_can_be_dropped(repository: Path) -> None:
    evaluate(repository, 1, 3, {"cisi": (0.1, 0.2), "cranfield": (0.1, 0.2)}, earlier_sets=("scitldr",))
    evaluate(repository, 2, 1, {**GOOD, "cisi": (0.0, 0.1)})
    complaint = (
        r"lacks (cranfield|scitldr) \(version 1 was evaluated on it\), (cranfield|scitldr) \(version 1 was evaluated "
        r"on it\)\. Run `akin evaluate 2` with these sets too"
    )
    with pytest.raises(EncoderError, match=complaint):
        promotion.promote(repository, 2)
    evaluate(repository, 2, 1, dict.fromkeys(("known", "cisi", "cranfield", "scitldr"), (0.01, 0.1)))
    assert promotion.promote(repository, 2) is not None


def test_the_settings_name_required_and_primary_sets(repository: Path) -> None:
    evaluate(repository, 2, 1, {**GOOD, "claims": (-0.002, 0.01)})
    for gate, complaint in (
        (promotion.Gate(required=("cisi",)), r"lacks cisi \(the settings require it\)"),
        (promotion.Gate(primary=("cisi",)), r"lacks cisi \(the settings require it\)"),
        (promotion.Gate(primary=("claims",)), "proven better on no primary set on claims"),
    ):
        with pytest.raises(EncoderError, match=complaint):
            promotion.promote(repository, 2, gate=gate)
    assert promotion.promote(repository, 2, gate=promotion.Gate(("claims",), ("claims", "known"))) is not None


def test_a_required_folder_stands_for_the_collections_in_it(tmp_path: Path) -> None:
    for name in ("known", "cisi"):
        (tmp_path / name / "qrels").mkdir(parents=True)
        (tmp_path / name / "corpus.jsonl").write_text('{"_id": "1", "title": "a", "text": "b"}\n')
        (tmp_path / name / "queries.jsonl").write_text('{"_id": "q", "text": "a"}\n')
        (tmp_path / name / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\n")
    (tmp_path / "link").symlink_to(tmp_path / "known")
    assert set_names(tmp_path) == ("cisi", "known") == (*set_names(tmp_path / "cisi"), *set_names(tmp_path / "link"))
    assert set_names(tmp_path / "elsewhere/missing") == ("missing",)
    assert set_names(Path("mteb:NoSuchTask")) == ("NoSuchTask",)


def test_without_an_evaluation_against_the_serving_version_nothing_is_promoted(repository: Path) -> None:
    with pytest.raises(EncoderError, match=r"was not evaluated\. Run `akin evaluate 2 --set FOLDER`"):
        promotion.promote(repository, 2)
    evaluate(repository, 2, 3, GOOD)
    with pytest.raises(EncoderError, match="does not compare it with version 1, which serves"):
        promotion.promote(repository, 2)
    assert versions.promoted_number(repository) == 1


def test_an_evaluation_of_another_encoder_under_the_same_number_proves_nothing(repository: Path) -> None:
    evaluate(repository, 2, 1, GOOD)
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
        if path.name == versions.HISTORY:
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
    folder = repository / versions.MODEL if file == versions.HISTORY else evaluations.folder(repository, digest(2))
    (folder / file).write_text(content)
    with pytest.raises(EncoderError, match=rf"{file} cannot be read"):
        promotion.promote(repository, 2)
    assert versions.promoted_number(repository) == 1


def test_the_commands_print_promotions(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(repository))
    monkeypatch.setenv("AKIN_EVALUATION_SETS", "beir/known,beir/cisi")
    evaluate(repository, 2, 1, {"known": (0.01, 0.03)})
    run = CliRunner().invoke
    assert "lacks cisi (the settings require it)" in str(run(app, ["encoder", "promote", "2"]).exception)
    evaluate(repository, 2, 1, {"known": (0.01, 0.03), "cisi": (0.0, 0.1)})
    listed = json.loads(run(app, ["encoder", "list", "--json"]).stdout)
    assert [version["number"] for version in listed] == [1, 2, 3]
    assert listed[0]["evaluation"] is None
    assert listed[1]["evaluation"]["nDCG@10"] == {"known": 0.5, "cisi": 0.5}
    assert listed[1]["manifest"]["digest"] == digest(2)
    assert run(app, ["encoder", "promote", "2"]).exit_code == 0
    assert isinstance(run(app, ["encoder", "promote", "3"]).exception, EncoderError)
    assert run(app, ["encoder", "rollback"]).exit_code == 0
    assert versions.promoted_number(repository) == 1
    history = json.loads(run(app, ["encoder", "history", "--json"]).stdout)
    assert [(line["version"], line["how"]) for line in history] == [(2, "proven"), (1, "rolled back")]
    assert str(evaluations.folder(repository, digest(2))) in run(app, ["encoder", "info", "2"]).stdout


def test_a_promotion_is_mirrored_and_a_failing_tracker_does_not_undo_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(repository))
    monkeypatch.setenv("AKIN_ENCODER_MIRROR", "tracking=mlflow,tracking.experiment=papers")
    asked: list[list[str]] = []

    def mirrored(_: object, module: str, arguments: list[str], left: str) -> dict[str, int]:
        asked.append([module, *arguments])
        if versions.promoted_number(repository) == 3:
            raise EncoderError(f"the server is away; {left}.")
        return {"champion": 2}

    monkeypatch.setattr(training_environment, "run_in_training", mirrored)
    run = CliRunner().invoke
    assert run(app, ["encoder", "promote", "2", "--override", "tried"]).exit_code == 0
    assert asked == [["pipeline.mirror", "tracking=mlflow", "tracking.experiment=papers"]]
    result = run(app, ["encoder", "promote", "3", "--override", "tried"])
    assert result.exit_code == 0
    assert versions.promoted_number(repository) == 3
    assert "the server is away; the promotion is unchanged. Mirror it again" in result.output
    result = run(app, ["encoder", "mirror", "tracking=wandb", "--json"])
    assert "the server is away" in str(result.exception)
    monkeypatch.delenv("AKIN_ENCODER_MIRROR")
    assert "AKIN_ENCODER_MIRROR" in str(run(app, ["encoder", "mirror"]).exception)
