"""Read the settings of Google Cloud: all of them checked before anything is asked."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from akin.cloud.config import EXAMPLE, Cloud, Serve, Train, read_cloud
from akin.errors import AkinError, BadSetting
from akin.stack_settings import ROOT

WHOLE = {"project": "shelf-project", "region": "earth-north1", "bucket": "gs://shelf/akin"}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_example_names_every_setting_and_no_project() -> None:
    example = tomllib.loads((ROOT / EXAMPLE).read_text("utf-8"))
    assert {key for key, value in example.items() if value == ""} == {"project", "region", "bucket", "build_account"}
    for table, owner in (("train", Train), ("serve", Serve)):
        known = {each.name for each in msgspec.structs.fields(owner)}
        assert known - set(example[table]) <= {"image"}
    with pytest.raises(BadSetting, match="project is missing"):
        read_cloud(ROOT / EXAMPLE)
    cloud = read_cloud(ROOT / EXAMPLE, WHOLE)
    assert cloud.train.overrides == ("experiment=arxiv_gpu",)
    assert msgspec.structs.replace(cloud.train, overrides=()) == Train()
    assert cloud.serve == Serve()


def test_the_file_in_this_folder_is_read_and_options_change_it(tmp_path: Path) -> None:
    (tmp_path / "cloud.toml").write_text(
        'project = "shelf-project"\nregion = "earth-north1"\n[train]\nspot = true\nhours = 3\n'
    )
    cloud = read_cloud(None, {"bucket": "gs://shelf", "region": None, "train": {"spot": False, "hours": None}})
    assert (cloud.region, cloud.train.spot, cloud.train.hours) == ("earth-north1", False, 3)
    assert cloud.images == "earth-north1-docker.pkg.dev/shelf-project/akin"


def test_a_budget_bounds_the_time() -> None:
    assert read_cloud(None, {**WHOLE, "train": {"hours": 5}}).train.seconds == 5 * 3600
    paid = read_cloud(None, {**WHOLE, "train": {"hours": 5, "budget": 3, "price_per_hour": 1.5}})
    assert paid.train.seconds == 2 * 3600
    with pytest.raises(BadSetting, match=r"train\.price_per_hour"):
        read_cloud(None, {**WHOLE, "train": {"budget": 3}})
    with pytest.raises(BadSetting, match="leave 36 s"):
        read_cloud(None, {**WHOLE, "train": {"budget": 0.01, "price_per_hour": 1}})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"project": ""}, "project is missing"),
        ({"project": "Shelf"}, "^--project 'Shelf' cannot be used: it must be the id of a project"),
        ({"project": 7}, "--project 7 cannot be used"),
        ({"region": "earth"}, "--region 'earth' cannot be used.*a region, such as"),
        ({"region": "earth-north1-a"}, "--region 'earth-north1-a' cannot be used"),
        ({"bucket": "shelf"}, "bucket is 'shelf'"),
        ({"bucket": "s3://shelf"}, "bucket is 's3://shelf'"),
        ({"bucket": "gs://Shelf_/"}, "no name of a bucket"),
        ({"bucket": "gs://shelf/../x"}, "empty part or"),
        ({"tag": "a b"}, "^--tag 'a b' cannot be used: it must be a tag of images"),
        ({"regoin": "earth-north1"}, "^cloud.toml: there is no setting regoin: .*shows all"),
        ({"train": {"hourz": 3}}, r"^cloud.toml: there is no setting train\.hourz: "),
        ({"train": 3}, "cannot be used"),
        ({"train": {"machine": "g2; rm -rf"}}, "--machine 'g2; rm -rf' cannot be used: it must be a type"),
        ({"train": {"accelerators": 0}}, "--accelerators 0 cannot be used: Expected `int` >= 1"),
        ({"train": {"wandb_secret": "projects/p/secrets/s"}}, "--wandb_secret .* the name of a secret"),
        ({"train": {"wandb_secret": "wandb"}}, r"needs train\.service_account"),
        ({"train": {"service_account": "me"}}, "service_account 'me' cannot be used: it must be an account"),
        ({"train": {"overrides": ["data.papers=x"]}}, r"train\.papers names the papers"),
        ({"train": {"overrides": ["paths.data=/x"]}}, "folders are fixed"),
        ({"train": {"overrides": ["experiment=smoek"]}}, "no experiment 'smoek'.*smoke"),
        ({"train": {"overrides": ["experiment=smoke", "sweep"]}}, "'sweep' is no setting of .*KEY=VALUE"),
        ({"train": {"overrides": [""]}}, "'' is no setting"),
        ({"train": {"overrides": ["--help"]}}, "'--help' is no setting"),
        ({"train": {"overrides": ["=x"]}}, "'=x' is no setting"),
        ({"train": {"image": "-x"}}, "--image '-x' cannot be used: it must be the address of an image"),
        ({"train": {"hours": float("nan")}}, "--hours nan cannot be used: it must be above 0"),
        ({"serve": {"smallest": 5, "largest": 2}}, "above serve"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(AkinError, match=said) as refused:
        read_cloud(None, {**WHOLE, **changed})
    assert "\n" not in str(refused.value)


def test_a_wrong_value_of_the_file_is_named_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "cloud.toml").write_text('project = "shelf-project"\n[train]\nhours = 200\n')
    with pytest.raises(BadSetting, match=r"^cloud\.toml: train\.hours 200 cannot be used: it must be above 0 and"):
        read_cloud(None, {**WHOLE, "train": {"hours": None, "spot": True}})


@pytest.mark.parametrize(
    "overrides",
    [
        ("experiment=smoke", "+trainer.limit=3", "++a.b=", "~tracking", "data@x.y=z", "export.tags=[a,b]"),
        ("loss.scale=1e-3", "seed=7", "model.name='a b'"),
    ],
)
def test_what_hydra_reads_is_taken(overrides: tuple[str, ...]) -> None:
    assert read_cloud(None, {**WHOLE, "train": {"overrides": list(overrides)}}).train.overrides == overrides


def test_another_image_may_have_other_experiments() -> None:
    read_cloud(None, {**WHOLE, "train": {"image": "mine:1", "overrides": ["experiment=mine"]}})


@pytest.mark.parametrize("content", [b"project = ", b"\xff", b"[[train]]\n", b"train = 3\n"])
def test_a_file_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(BadSetting, match=re.escape(str(file))):
        read_cloud(file, {**WHOLE, "train": {"spot": True}})
    with pytest.raises(BadSetting, match="copy deploy/cloud"):
        read_cloud(tmp_path / "none.toml")


def test_no_address_of_google_is_in_the_settings() -> None:
    assert Cloud(**WHOLE).endpoints == {}  # type: ignore[arg-type]
