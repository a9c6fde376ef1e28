from itertools import chain

import pytest
import yaml

from training.errors import ConfigurationError
from training.pipeline.composition import CONFIGS, compose, groups

NEEDED = {"data=papers": ["data.papers=FILE"], "model=custom": ["model.source=FOLDER"]}


@pytest.fixture(autouse=True)
def _paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_DATA", "data")
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", "model_repository")


@pytest.mark.parametrize(
    "choice", [f"{group}={name}" for group, names in groups().items() if group != "experiment" for name in names]
)
def test_every_name_of_every_group_composes(choice: str) -> None:
    group, _, name = choice.partition("=")
    made = compose([choice, *NEEDED.get(choice, [])])
    part = getattr(made, group)
    kind = getattr(type(part).__struct_config__, "tag", None)
    # A variant of a kind is called by it first: int8_pruned.
    assert kind is None or name == kind or name.startswith(f"{kind}_")


@pytest.mark.parametrize("name", groups()["experiment"])
def test_every_experiment_composes(name: str) -> None:
    needed = [] if name == "smoke" else ["data.papers=FILE"]
    assert compose([f"experiment={name}", *needed]).name == name


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["loss=magic"], "loss/magic"),
        (["trainer.lerning_rate=1"], "trainer.lerning_rate"),
        (["+pairs.foo=1"], "foo"),
        (["trainer.epochs=0"], "trainer.epochs"),
        (["trainer.batch_size=many"], "trainer.batch_size"),
        (["data=papers"], "data.papers"),
        (["experiment=nonsense"], "experiment/nonsense"),
        (["data.held_out_share=1.5"], "data.held_out_share"),
        (["tracking.kind=cloud"], "tracking"),
    ],
)
def test_a_mistake_is_told_by_its_key(overrides: list[str], named: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        compose(overrides)
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_every_key_of_every_file_is_described_in_the_documentation() -> None:
    text = (CONFIGS.parents[1] / "docs" / "training.md").read_text("utf-8")
    names = set(chain.from_iterable(groups().values())) | set(groups())
    for file in CONFIGS.glob("*/*.yaml"):
        if file.parent.name != "experiment":
            names |= set(yaml.safe_load(file.read_text()) or {}) - {"defaults"}
    missing = sorted(name for name in names if f"`{name}`" not in text)
    assert not missing, f"docs/training.md does not mention: {missing}"
