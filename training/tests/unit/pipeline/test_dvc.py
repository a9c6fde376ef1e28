"""`dvc.yaml` has the stages of a run, and the files that it names exist."""

import re
from pathlib import Path

import pytest
import yaml

from training.fit.fine_tune import WEIGHTS_CODE
from training.pipeline.composition import CONFIGS, compose
from training.pipeline.run_folder import NEEDS, STAGES, create_run
from training.pipeline.stage import COMPOSE, digest_inputs
from training.registry.publish import CODE as SERVED
from training.registry.publish import TEXT_ENCODER

ROOT = CONFIGS.parents[1]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
RUN = "${run}/"


def test_the_stages_are_those_of_a_run_in_the_same_order() -> None:
    assert list(PIPELINE["stages"]) == [COMPOSE, *STAGES]
    for name, stage in PIPELINE["stages"].items():
        assert re.match(rf"\$\{{stage\}} {name}( --renew)? --folder \$\{{run\}}", stage["cmd"])
        (out,) = stage["outs"]
        assert RUN + ("config" if name == COMPOSE else name) in out


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_existing_files_and_on_earlier_stages(name: str) -> None:
    deps = PIPELINE["stages"][name]["deps"]
    before = STAGES[: STAGES.index(name)]
    made = [dep.removeprefix(RUN) for dep in deps if dep.startswith(RUN)]
    assert set(made) <= {*before, f"config/{name}.json"}
    assert (f"config/{name}.json" in made) == bool(NEEDS[name])
    assert all((ROOT / dep).exists() for dep in deps if not dep.startswith(RUN))


def test_train_and_compress_depend_on_the_code_that_decides_their_output() -> None:
    weights = {dep for dep in PIPELINE["stages"]["train"]["deps"] if dep.endswith(".py")}
    assert weights == {f"training/src/training/{name}" for name in WEIGHTS_CODE}
    version = PIPELINE["stages"]["compress"]["deps"]
    assert {f"model_repository/text_encoder/{name}" for name in SERVED[TEXT_ENCODER]} <= set(version)


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
