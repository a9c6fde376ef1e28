"""Test the aliases of the registry in a tracker."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training.errors import ConfigurationError, PublishError
from training.pipeline.composition import compose
from training.pipeline.mirror import aliases_of, mirror, read_versions


def registry(folder: Path, digests: dict[int, str], promoted: int) -> Path:
    for number, digest in digests.items():
        version = folder / "text_encoder" / str(number)
        version.mkdir(parents=True)
        (version / "manifest.json").write_text(json.dumps({"digest": digest}))
    (folder / "text_encoder" / "PROMOTED").write_text(f"{promoted}\n")
    return folder


@pytest.mark.parametrize(
    ("promoted", "champion", "challenger"),
    [(1, 1, 4), (2, 2, 4), (4, 4, None), (7, None, None), (None, None, None)],
)
def test_the_newest_version_after_the_promoted_one_challenges_it(
    tmp_path: Path, promoted: int | None, champion: int | None, challenger: int | None
) -> None:
    model = registry(tmp_path, {1: "a", 2: "b", 4: "c"}, 1) / "text_encoder"
    found = aliases_of(read_versions(model), promoted)
    assert {alias: each and each.number for alias, each in found.items()} == {
        "champion": champion,
        "challenger": challenger,
    }


def test_a_later_copy_of_the_promoted_encoder_is_no_challenger(tmp_path: Path) -> None:
    model = registry(tmp_path, {1: "a", 2: "a"}, 1) / "text_encoder"
    assert aliases_of(read_versions(model), 1)["challenger"] is None


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    model = registry(tmp_path, {1: "a"}, 1) / "text_encoder"
    (model / "1" / "manifest.json").write_text("{")
    with pytest.raises(PublishError, match=r"1/manifest\.json cannot be read"):
        read_versions(model)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(tmp_path / "repository"))
    return registry(tmp_path / "repository", {1: "a" * 64, 2: "b" * 64}, 1)


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["tracking=none"], "no tracker"),
        (["tracking=wandb"], "online"),
        (["tracking=mlflow", "tracking.uri=http://127.0.0.1:9", "tracking.folder=runs"], "two places"),
    ],
)
def test_what_cannot_be_mirrored_is_refused(overrides: list[str], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        mirror(compose(["experiment=smoke", *overrides]))


class _Wandb:
    """Stand-in for the server of Weights & Biases, with the calls that the mirror makes."""

    def __init__(self) -> None:
        self.aliases: dict[str, set[str]] = {}
        self.Settings = self.Artifact = lambda *_, **named: SimpleNamespace(
            add_dir=lambda _: None, add_file=lambda _: None, **named
        )
        self.errors = SimpleNamespace(Error=OSError)

    def init(self, **_: object) -> Any:
        outer = self

        class Run:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None: ...

            def log_artifact(self, artifact: Any, aliases: list[str]) -> Any:
                outer.aliases[artifact.metadata["encoder_version"]] = set(aliases)
                return SimpleNamespace(wait=lambda: None)

        return Run()

    def Api(self) -> Any:
        return SimpleNamespace(artifact_exists=lambda path: self._find(path) is not None, artifact=self._artifact)

    def _find(self, path: str) -> str | None:
        alias = path.rpartition(":")[2]
        return next((number for number, aliases in self.aliases.items() if alias in aliases), None)

    def _artifact(self, path: str) -> Any:
        number = self._find(path)
        assert number is not None

        def save() -> None:
            for other in self.aliases:
                self.aliases[other] -= set(artifact.aliases)
            self.aliases[number] = set(artifact.aliases)

        artifact = SimpleNamespace(aliases=sorted(self.aliases[number]), save=save)
        return artifact


def test_aliases_move_in_weights_and_biases(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = _Wandb()
    monkeypatch.setitem(sys.modules, "wandb", server)
    monkeypatch.delitem(sys.modules, "training.tracking.wandb_run", raising=False)
    configuration = compose(["experiment=smoke", "tracking=wandb", "tracking.mode=online"])
    assert mirror(configuration) == {"champion": 1, "challenger": 2}
    assert server.aliases == {"1": {"sha-" + 16 * "a", "champion"}, "2": {"sha-" + 16 * "b", "challenger"}}
    (repository / "text_encoder" / "PROMOTED").write_text("2\n")
    assert mirror(configuration) == {"champion": 2}
    assert server.aliases == {"1": {"sha-" + 16 * "a"}, "2": {"sha-" + 16 * "b", "champion"}}
    monkeypatch.delitem(sys.modules, "training.tracking.wandb_run", raising=False)
