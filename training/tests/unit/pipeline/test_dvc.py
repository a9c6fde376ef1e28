"""`dvc.yaml` has the stages of a run, and the files that it names exist."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from training.errors import ConfigurationError
from training.fit.fine_tune import WEIGHTS_CODE
from training.pipeline.composition import CONFIGS, compose
from training.pipeline.run_folder import NEEDS, STAGES, create_run
from training.pipeline.stage import COMPOSE, digest_inputs, require_declared
from training.pipeline.stages.evaluate import METRICS_FILE
from training.pipeline.stages.train import LOSS_FILE, write_loss
from training.registry.publish import CODE as SERVED
from training.registry.publish import TEXT_ENCODER

ROOT = CONFIGS.parents[1]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
RUN = "${run}/"


# What every stage uses, and whose changes change no output: messages, types of figures, names of files, writing.
PLUMBING = (
    "akin.storage", "training.errors", "training.progress", "training.schema", "training.pipeline.run_folder",
    "training.pipeline.configuration", "training.pipeline.mirror", "training.pipeline.stages",
    "training.pipeline.tracked", "training.devices", "training.tracking",
)  # fmt: skip


def paths(stage: dict[str, Any]) -> list[str]:
    return [dep.replace("${code}", PIPELINE["vars"][1]["code"]) for dep in stage["deps"]]


def called(name: str) -> set[str]:
    """Return the modules of this project that a stage's module imports, wherever it does."""
    tree = ast.parse((ROOT / f"training/src/training/pipeline/stages/{name}.py").read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("akin", "training"):
            # `from training.data import negatives` imports a module, `from training.data.pairs import Pair` a name.
            modules = [f"{node.module}.{each.name}" for each in node.names]
            found |= {each if source_of(each) else node.module for each in modules}
    return {each for each in found if not each.startswith(PLUMBING)}


def source_of(module: str) -> Path | None:
    path = ROOT / ("training/src" if module.startswith("training") else ".") / module.replace(".", "/")
    return next((each for each in (path.with_suffix(".py"), path) if each.exists()), None)


def test_the_stages_are_those_of_a_run_in_the_same_order() -> None:
    assert list(PIPELINE["stages"]) == [COMPOSE, *STAGES]
    for name, stage in PIPELINE["stages"].items():
        first = stage["cmd"] if isinstance(stage["cmd"], str) else stage["cmd"][0]
        assert re.match(rf"\$\{{stage\}} {name}( --renew)? --folder \$\{{run\}}", first)
        (out,) = stage["outs"]
        assert RUN + ("config" if name == COMPOSE else name) in out
        assert "always_changed" not in stage


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_existing_files_and_on_earlier_stages(name: str) -> None:
    deps = paths(PIPELINE["stages"][name])
    before = STAGES[: STAGES.index(name)]
    made = [dep.removeprefix(RUN) for dep in deps if dep.startswith(RUN)]
    assert set(made) <= {*before, f"config/{name}.json"}
    assert (f"config/{name}.json" in made) == bool(NEEDS[name])
    assert all((ROOT / dep).exists() for dep in deps if not dep.startswith(RUN))


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_code_that_it_calls_and_on_its_packages(name: str) -> None:
    deps = paths(PIPELINE["stages"][name])
    assert f"training/src/training/pipeline/stages/{name}.py" in deps
    assert name == "export" or "training/requirements.lock" in deps
    for module in called(name):
        source = source_of(module)
        assert source is not None
        file = source.relative_to(ROOT)
        # A package's names come from any of its files.
        assert any(str(parent) in deps for parent in (file, *file.parents)) or (
            source.is_dir() and any(dep.startswith(str(file)) for dep in deps)
        ), f"{name} calls {module}"


def test_train_and_compress_depend_on_the_code_that_decides_their_output() -> None:
    weights = set(paths(PIPELINE["stages"]["train"]))
    assert {f"training/src/training/{name}" for name in WEIGHTS_CODE} <= weights
    version = PIPELINE["stages"]["compress"]["deps"]
    assert {f"model_repository/text_encoder/{name}" for name in SERVED[TEXT_ENCODER]} <= set(version)


def test_metrics_parameters_and_plots_are_what_the_stages_write() -> None:
    evaluate = PIPELINE["stages"]["evaluate"]
    assert evaluate["metrics"] == [{"training/metrics.json": {"cache": False}}]
    assert evaluate["cmd"][1] == f"cp {RUN}evaluate/{METRICS_FILE} training/metrics.json"
    assert PIPELINE["params"] == ["training/configs/pipeline.yaml"]
    assert list(PIPELINE["plots"][0]["loss"]["y"]) == [f"{RUN}train/{LOSS_FILE}"]


def test_an_input_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    inputs = {"data": {str(tmp_path / "papers/all.jsonl"): "digest"}}
    require_declared(inputs, tmp_path / "papers")
    require_declared(inputs, tmp_path / "papers/all.jsonl")
    require_declared({}, tmp_path / "nothing")
    with pytest.raises(ConfigurationError, match=r"all\.jsonl is no declared input: set `inputs`"):
        require_declared(inputs, tmp_path / "pap")


def test_losses_are_a_table_for_plots(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 5, "loss": 2.5, "learning_rate": 0.1, "epoch": 1}\n{"step": 5, "mrr": 0.5}\n'
        '{"step": 10, "loss": 2.0}\n'
    )
    write_loss(tmp_path)
    assert (tmp_path / LOSS_FILE).read_text() == "step,loss,learning_rate\n5,2.5,0.1\n10,2.0,\n"


def test_a_changed_corpus_of_the_same_name_changes_the_inputs_of_prepare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(tmp_path))
    corpus, collection = tmp_path / "papers.jsonl", tmp_path / "set"
    collection.mkdir()
    (collection / "corpus.jsonl").write_text("one\n")
    corpus.write_text("one\n")
    configuration = compose(["data=papers", f"data.papers={corpus}", f"evaluation.sets=[{collection}]"])

    def written() -> dict[str, bytes]:
        create_run(tmp_path / "run", configuration, digest_inputs(configuration))
        return {name: (tmp_path / "run" / "config" / f"{name}.json").read_bytes() for name in NEEDS}

    first = written()
    assert written() == first
    corpus.write_text("two\n")
    second = written()
    assert [name for name in NEEDS if first[name] != second[name]] == ["prepare"]
    (collection / "corpus.jsonl").write_text("two\n")
    assert [name for name in NEEDS if second[name] != written()[name]] == ["prepare", "evaluate"]
