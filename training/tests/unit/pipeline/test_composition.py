import pytest

from training.errors import ConfigurationError
from training.pipeline.composition import compose, groups

NEEDED = {"data=papers": ["data.papers=FILE"], "model=custom": ["model.source=FOLDER"]}


@pytest.mark.parametrize(
    "choice", [f"{group}={name}" for group, names in groups().items() if group != "experiment" for name in names]
)
def test_every_name_of_every_group_composes(choice: str) -> None:
    group, _, name = choice.partition("=")
    part = getattr(compose([choice, *NEEDED.get(choice, [])]), group)
    kind = getattr(type(part).__struct_config__, "tag", None)
    # The name of a variant starts with its kind: int8_pruned.
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
        (["seed=-1"], "`seed`"),
        (["foo"], "missing EQUAL at '<EOF>'. See docs"),
        (["trainer.batch_size=many"], "trainer.batch_size"),
        (["data=papers"], "data.papers"),
        (["experiment=nonsense"], "experiment/nonsense"),
        (["data.held_out_share=1.5"], "data.held_out_share"),
        (["tracking.kind=cloud"], "tracking"),
    ],
)
def test_an_error_names_the_key_that_is_wrong(overrides: list[str], named: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        compose(overrides)
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)
