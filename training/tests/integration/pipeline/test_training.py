"""Training of a tiny model in the stages of a run."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from training.errors import ConfigurationError, CorpusError, FitError, RunError
from training.fit.fine_tune import average
from training.pipeline.composition import groups
from training.pipeline.run import main, profile_training, train_distributed
from training.pipeline.run_folder import RunFolder, create_run, open_run
from training.pipeline.stage import main as stage_command
from training.pipeline.stages import load_stage
from training.pipeline.stages.train import FIGURES_FILE, make_task

from .conftest import train_interrupted, train_killed

pytestmark = pytest.mark.integration

Prepared = Callable[..., RunFolder]


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.stage_folder("train") / run.folder.name / "model.safetensors")


def test_a_killed_training_continues_to_the_same_weights(prepared: Prepared) -> None:
    quick = ("trainer.steps=40", "trainer.learning_rate=1e-3", "trainer.save_every=5", "trainer.evaluate_every=40")
    whole, killed = prepared("whole", *quick), prepared("killed", *quick)
    load_stage("train")(whole)
    train_killed(killed.folder)
    assert not killed.is_done("train")
    load_stage("train")(killed)
    lines = [json.loads(line) for line in (killed.stage_folder("train") / "metrics.jsonl").read_text().splitlines()]
    assert max(line["step"] for line in lines) == 40
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(weights(killed)[name], tensor, rtol=1e-3, atol=1e-4)
    throughput = [json.loads(line) for line in (whole.stage_folder("train") / "metrics.jsonl").read_text().splitlines()]
    # The loss falls. Made-up words and random weights cannot show that search improves.
    losses = [line["loss"] for line in throughput if "loss" in line]
    assert losses[-1] < losses[0]
    figures = json.loads((whole.stage_folder("train") / FIGURES_FILE).read_text())
    assert 0 < figures["after"]["MRR@10"] <= 1
    assert all(line["pairs_per_second"] > 0 and "learning_rate" in line for line in throughput if "loss" in line)


def test_the_trainer_sees_the_batches_of_the_sampler_and_after_a_kill_those_that_were_left(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Train two epochs, of which the second one is interrupted between two checkpoints."""
    from training.fit.dataset import PairTrainer

    seen: list[tuple[str, list[tuple[int, ...]]]] = []
    stop_at: int | None = None
    compute = PairTrainer.compute_loss

    def record(self: PairTrainer, model: Any, inputs: dict[str, Any], **more: Any) -> Any:
        if len(seen) == stop_at:
            raise KeyboardInterrupt
        pairs = zip(inputs["anchor_input_ids"].tolist(), inputs["positive_input_ids"].tolist(), strict=True)
        seen.append((inputs["dataset_name"], [tuple(i for i in anchor + text if i) for anchor, text in pairs]))
        return compute(self, model, inputs, **more)

    monkeypatch.setattr(PairTrainer, "compute_loss", record)
    settings = ("trainer.epochs=2", "trainer.steps=null", "trainer.save_every=5", "trainer.evaluate_every=100")
    whole, killed = prepared("whole", *settings), prepared("killed", *settings)
    load_stage("train")(whole)
    batches, epoch = list(seen), len(seen) // 2
    kinds = [json.loads(line)["kind"] for line in (whole.stage_folder("mine") / "pairs.jsonl").read_text().splitlines()]
    assert {kind: [name for name, _ in batches[:epoch]].count(kind) for kind in kinds} == {
        kind: kinds.count(kind) // 8 for kind in kinds
    }
    assert [name for name, _ in batches[:epoch]] != sorted(name for name, _ in batches[:epoch])
    for passes in (batches[:epoch], batches[epoch:]):
        pairs = [pair for _, batch in passes for pair in batch]
        assert all(len(batch) == 8 for _, batch in passes)
        assert len(set(pairs)) == len(pairs) == 8 * epoch
    assert {frozenset(batch) for _, batch in batches[:epoch]}.isdisjoint(
        frozenset(batch) for _, batch in batches[epoch:]
    )

    seen.clear()
    stop_at = epoch + 7
    with pytest.raises(KeyboardInterrupt):
        load_stage("train")(killed)
    assert seen == batches[:stop_at]
    saved = max(int(path.name.split("-")[1]) for path in (killed.stage_folder("train") / "checkpoints").iterdir())
    assert epoch < saved < stop_at
    seen.clear()
    stop_at = None
    load_stage("train")(killed)
    assert seen == batches[saved:]


def test_checkpoints_of_another_model_are_refused(prepared: Prepared, tiny_model: Callable[[str], Path]) -> None:
    run = prepared("run", "trainer.save_every=2", "trainer.evaluate_every=4")
    train_interrupted(run)
    other = create_run(run.folder, prepared("other", f"model.source={tiny_model('bert')}").configuration)
    load_stage("mine")(other)
    with pytest.raises(RunError, match=r"model\.source"):
        load_stage("train")(other)
    # Checkpoints without an identity count as another training's.
    (run.stage_folder("train") / "identity.json").unlink()
    with pytest.raises(RunError, match="another configuration"):
        load_stage("train")(other)


def test_renew_starts_anew_after_a_change_and_else_continues(
    prepared: Prepared, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ("trainer.steps=4", "trainer.save_every=2", "trainer.evaluate_every=4", "trainer.log_every=1")
    run = prepared("run", *quick)

    def train(*more: str) -> str:
        capfd.readouterr()
        code = stage_command(["train", *more, "--folder", str(run.folder)])
        return f"{code} {capfd.readouterr().err}"

    train_interrupted(run)
    assert "training in fp32 on cpu, from step 2" in train("--renew")
    assert not (run.stage_folder("train") / "checkpoints").exists()

    def other_configuration() -> None:
        create_run(run.folder, prepared("other", *quick, "trainer.learning_rate=1e-3").configuration)

    def other_pairs() -> None:
        pairs = run.stage_folder("mine") / "pairs.jsonl"
        pairs.write_bytes(b"".join(pairs.read_bytes().splitlines(keepends=True)[8:]))

    def other_code() -> None:
        monkeypatch.setattr("training.fit.fine_tune.WEIGHTS_CODE", ("fit/losses.py",))

    for change in (other_configuration, other_pairs, other_code):
        assert "from step" not in train("--renew")  # the training is done: no checkpoint remains
        lines = (run.stage_folder("train") / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines if "learning_rate" in line] == [1, 2, 3, 4]
        shutil.rmtree(run.stage_folder("train"))
        train_interrupted(open_run(run.folder))
        change()
        assert re.match(rf"1 .*made with {change.__name__.replace('other', '(an)?other').replace('_', ' ')}", train())
        assert "from step" not in train("--renew")
        assert open_run(run.folder).is_done("train")


@pytest.mark.parametrize("loss", groups()["loss"])
def test_every_loss_trains(loss: str, prepared: Prepared, overrides: list[str]) -> None:
    source = next(each.partition("=")[2] for each in overrides if each.startswith("model.source"))
    more = [f"loss={loss}", "trainer.steps=2", "trainer.evaluate_every=2"]
    more += ["pairs=labelled"] if loss in ("contrastive", "cosent") else []
    more += {"gist": [f"loss.guide={source}"], "distillation": [f"loss.teacher={source}"]}.get(loss, [])
    more += ["matryoshka=[32,16,8]"] if loss in ("mnrl", "cached_mnrl") else []
    run = prepared(loss, *more)
    before = load_file(Path(source) / "model.safetensors")
    load_stage("train")(run)
    assert run.is_done("train")
    if loss != "distillation":  # the teacher is the model itself, so no weight changes
        assert any(not torch.equal(tensor, weights(run)[name]) for name, tensor in before.items())


def test_a_wider_teacher_is_asked_once_for_single_texts(
    prepared: Prepared, environment: Path, tiny_model: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    more = ("pairs=texts", "loss=distillation", "loss.distance=l2", f"loss.teacher={tiny_model('bert', 48)}")
    quick = ("trainer.steps=30", "trainer.learning_rate=1e-2", "trainer.log_every=10", "trainer.evaluate_every=30")
    run = prepared("texts", *more, *quick, "model.max_length=null")
    load_stage("train")(run)
    figures = json.loads((run.stage_folder("train") / FIGURES_FILE).read_text())
    assert (figures["max_length"], figures["served_max_length"]) == (48, 48)
    assert "encoding 140 of 140 texts with the teacher" in capfd.readouterr().err
    lines = [json.loads(line) for line in (run.stage_folder("train") / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.8 * losses[0]
    assert list((Path(run.configuration.paths.data) / "teacher-vectors").glob("*/*/vectors.npy"))
    load_stage("train")(prepared("again", *more, *quick, "trainer.streaming=true"))
    assert "with the teacher" not in capfd.readouterr().err
    with pytest.raises(CorpusError, match="single texts have no negatives"):
        prepared("mined", *more, "mine=neighbours")


def test_training_accepts_mined_negatives_and_blocks(prepared: Prepared) -> None:
    run = prepared("negatives", "mine=negatives", "mine.relative_margin=0", "trainer.steps=2")
    pairs = [json.loads(line) for line in (run.stage_folder("mine") / "pairs.jsonl").read_text().splitlines()]
    assert all(row["negative_1"] not in (row["anchor"], row["positive"]) for row in pairs)
    # The candidates are all papers that train, and not only those that gave a pair of the same kind.
    by_title = [row for row in pairs if row["kind"] == "title"]
    assert {row["negative_1"] for row in by_title} - {row["positive"] for row in by_title}
    papers = run.stage_folder("prepare") / "train.jsonl"
    abstracts = {json.loads(line)["abstract"] for line in papers.read_text().splitlines()}
    assert {row["negative_1"] for row in by_title} <= abstracts
    load_stage("train")(run)
    run = prepared(
        "neighbours", "mine=neighbours", "trainer.steps=2", "trainer.base_weight=0.5", "trainer.streaming=true"
    )
    lines = (run.stage_folder("mine") / "pairs.jsonl").read_bytes().splitlines()
    assert sorted(lines) == sorted((run.stage_folder("pairs") / "pairs.jsonl").read_bytes().splitlines())
    load_stage("train")(run)


def test_training_stops_when_should_stop_returns_true(prepared: Prepared) -> None:
    from dataclasses import replace

    from training.fit.fine_tune import fine_tune

    run = prepared("run", "trainer.steps=30", "trainer.evaluate_every=2")
    seen: list[int] = []

    def should_stop(value: float, step: int) -> bool:
        seen.append(step)
        return step >= 4

    assert fine_tune(replace(make_task(run, run.configuration), should_stop=should_stop))["steps"] == 4
    assert seen == [2, 4]


def test_the_same_seed_draws_the_same_negatives(prepared: Prepared) -> None:
    more = ("mine=negatives", "mine.relative_margin=0", "mine.sampling=random")
    one, again, other = prepared("one", *more), prepared("again", *more), prepared("other", *more, "seed=1")
    mined = [(run.stage_folder("mine") / "pairs.jsonl").read_bytes() for run in (one, again, other)]
    assert mined[0] == mined[1] != mined[2]


def test_a_full_disk_during_mining_is_a_run_error(
    prepared: Prepared, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "pairs.jsonl")

    monkeypatch.setattr("training.pipeline.stages.mine.choose_negatives", full)
    with pytest.raises(RunError, match="No space left on device"):
        prepared("full", "mine=negatives")
    assert not list((environment / "full").glob("*mine*"))


@pytest.mark.usefixtures("falling")
def test_patience_stops_training_and_keeps_the_best_weights(prepared: Prepared) -> None:
    more = ("trainer.evaluate_every=2", "trainer.warmup=0", "trainer.schedule=constant_with_warmup")
    patient, best = (
        prepared("patient", "trainer.steps=30", "trainer.patience=2", *more),
        prepared("best", "trainer.steps=2", *more),
    )
    load_stage("train")(patient)
    load_stage("train")(best)
    assert json.loads((patient.stage_folder("train") / FIGURES_FILE).read_text())["steps"] == 6
    for name, tensor in weights(best).items():
        torch.testing.assert_close(weights(patient)[name], tensor)


def test_a_profile_has_a_trace_and_a_table(prepared: Prepared) -> None:
    run = prepared("run")
    profile_training(run)
    trace = json.loads((run.folder / "profile" / "trace.json").read_text())
    assert any("aten::" in event.get("name", "") for event in trace["traceEvents"])
    assert "Self CPU" in (run.folder / "profile" / "table.txt").read_text()
    assert not run.is_done("train")


def test_wrong_input_is_refused_and_nothing_is_published(
    environment: Path, overrides: list[str], capfd: pytest.CaptureFixture[str], prepared: Prepared
) -> None:
    for wrong, named in (
        ("data.papers=/nowhere.jsonl", "data.papers"),
        ("loss=magic", "loss/magic"),
        ("trainer.lerning_rate=1", "trainer.lerning_rate"),
    ):
        assert main([*overrides, wrong]) == 1
        assert named in capfd.readouterr().err
    assert main(["--resume", "nothing"]) == 1
    assert not (environment / "repository").exists()
    with pytest.raises(ConfigurationError, match="labelled pairs"):
        load_stage("train")(prepared("unlabelled", "loss=contrastive"))
    with pytest.raises(ConfigurationError, match=r"model\.max_length is 64, and the model reads 48"):
        load_stage("train")(prepared("long", "model.max_length=64"))
    with pytest.raises(CorpusError, match="at least 100"):
        prepared("few", "data.most=20")


@pytest.mark.parametrize("streaming", ["false", "true"])
def test_pairs_with_repeated_texts_train_and_a_diverging_training_saves_nothing(
    prepared: Prepared, streaming: str
) -> None:
    common = ("trainer.steps=4", "trainer.log_every=1", "trainer.evaluate_every=4", f"trainer.streaming={streaming}")
    run = prepared("repeated", *common, "pairs=subject")
    load_stage("train")(run)
    assert json.loads((run.stage_folder("train") / FIGURES_FILE).read_text())["steps"] == 4
    diverging = prepared("diverging", *common, "trainer.learning_rate=1e30", "trainer.warmup=0")
    with pytest.raises(FitError, match=r"diverged.*trainer\.learning_rate"):
        load_stage("train")(diverging)
    assert not diverging.is_done("train")
    assert not (diverging.stage_folder("train") / diverging.folder.name).exists()


def test_averaging_moves_weights_towards_the_base(tiny_model: Callable[[str], Path]) -> None:
    from sentence_transformers import SentenceTransformer

    one, base = (SentenceTransformer(str(tiny_model("bert")), device="cpu") for _ in range(2))
    with torch.no_grad():
        for tensor in one.parameters():
            tensor.add_(1)
    average(one, base, 0.25)
    for tuned, original in zip(one.parameters(), base.parameters(), strict=True):
        torch.testing.assert_close(tuned, original + 0.75)


def test_two_processes_train_one_model(prepared: Prepared) -> None:
    run = prepared("two", "trainer.steps=3", "trainer.batch_size=4", "trainer.log_every=1", "trainer.evaluate_every=3")
    train_distributed(run, 2)
    assert run.is_done("train")
    lines = [json.loads(line) for line in (run.stage_folder("train") / "metrics.jsonl").read_text().splitlines()]
    assert sum("loss" in line for line in lines) == 3  # only one of the two processes writes
    assert json.loads((run.stage_folder("train") / FIGURES_FILE).read_text())["steps"] == 3
    source = Path(run.configuration.model.source or "")
    before = load_file(source / "model.safetensors")
    assert any(not torch.equal(tensor, weights(run)[name]) for name, tensor in before.items())
