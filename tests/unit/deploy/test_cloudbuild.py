"""Check cloudbuild.yaml strictly by the part of Cloud Build's published schema that it uses."""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Literal

import msgspec
import pytest
import yaml

from akin.stack_settings import ROOT
from tests.unit.deploy.composition import dockerfile, example

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]
Duration = Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d{1,9})?s$")]
# The variables that Cloud Build sets: https://docs.cloud.google.com/build/docs/configuring-builds/substitute-variable-values
BUILT_IN = {"PROJECT_ID", "PROJECT_NUMBER", "BUILD_ID", "LOCATION"}
IMAGES = {
    **{name: f"deploy/{name}.Dockerfile" for name in ("triton", "retrieval", "ui", "training", "triton-gpu")},
    "retrieval-gpu": "deploy/retrieval.Dockerfile",
    "drift": "deploy/retrieval.Dockerfile",
    "training-gpu": "deploy/training.Dockerfile",
}
LOCKS = {"retrieval-gpu": "service-gpu", "drift": "service-drift"}


class Volume(msgspec.Struct, forbid_unknown_fields=True):
    name: Text
    path: Text


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """https://docs.cloud.google.com/build/docs/build-config-file-schema"""

    name: Text
    id: Text
    args: Annotated[list[Text], msgspec.Meta(max_length=100)] = []
    env: list[Text] = []
    entrypoint: Text | None = None
    dir: Text | None = None
    waitFor: list[Text] | None = None
    secretEnv: list[Text] = []
    volumes: list[Volume] = []
    timeout: Duration | None = None
    script: Text | None = None
    allowFailure: bool = False
    allowExitCodes: list[int] = []
    automapSubstitutions: bool = False


class Options(msgspec.Struct, forbid_unknown_fields=True):
    env: list[Text] = []
    machineType: Literal["UNSPECIFIED", "E2_MEDIUM", "E2_HIGHCPU_8", "E2_HIGHCPU_32"] = "UNSPECIFIED"
    diskSizeGb: str | None = None
    substitutionOption: Literal["MUST_MATCH", "ALLOW_LOOSE"] = "MUST_MATCH"
    dynamicSubstitutions: bool = False
    logging: Literal["LEGACY", "GCS_ONLY", "CLOUD_LOGGING_ONLY", "NONE"] | None = None


class Build(msgspec.Struct, forbid_unknown_fields=True):
    steps: Annotated[list[Step], msgspec.Meta(min_length=1, max_length=300)]
    substitutions: dict[Annotated[str, msgspec.Meta(pattern=r"^_[A-Z0-9_]+$", max_length=100)], str] = {}
    options: Options = msgspec.field(default_factory=Options)
    timeout: Duration | None = None
    tags: list[Text] = []
    images: list[Text] = []


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "cloudbuild.yaml").read_text()


@pytest.fixture(scope="module")
def build(text: str) -> Build:
    return msgspec.convert(yaml.safe_load(text), Build)


def used(text: str) -> set[str]:
    return set(re.findall(r"(?<!\$)\$\{?([A-Z_][A-Z0-9_]*)\}?", text))


def substituted(value: str, known: dict[str, str]) -> str:
    while True:
        replaced = re.sub(r"\$\{([A-Z_][A-Z0-9_]*)\}", lambda found: known[found[1]], value)
        if replaced == value:
            return value
        value = replaced


def test_steps_wait_for_steps_that_come_before(build: Build) -> None:
    known: set[str] = set()
    for step in build.steps:
        assert step.id not in known
        assert set(step.waitFor or []) <= known | {"-"}
        assert not (step.script and (step.args or step.entrypoint))
        known.add(step.id)


def test_a_submitted_build_has_the_history_that_tests_ask_for() -> None:
    rules = [line for line in (ROOT / ".gcloudignore").read_text().splitlines() if not line.startswith("# ")]
    assert rules == ["#!include:.gitignore"]


def test_no_image_is_built_before_the_tests_passed(build: Build) -> None:
    (test,) = (step for step in build.steps if step.id == "test")
    assert (test.entrypoint, test.args) == ("bash", [".ci/run"])
    assert "make test" in (ROOT / ".ci/run").read_text()
    for step in build.steps:
        if "build" in step.args:
            assert step.waitFor is not None
            assert {"test", "builder"} <= set(step.waitFor)


def options_of(build: Build) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Return the options and the build arguments of each image, with sample values for all substitutions."""
    known = {"_REGION": "earth1", "_REPOSITORY": "shelf", "PROJECT_ID": "project", "BUILD_ID": "b1"}
    known |= build.substitutions
    found = {}
    for step in build.steps:
        if "build" not in step.args:
            continue
        assert "--push" in step.args
        pairs = [substituted(each, known)[2:].split("=", 1) for each in step.args if re.match("--[a-z-]+=", each)]
        options = dict(pair for pair in pairs if pair[0] != "build-arg")
        found[step.id] = options, dict(value.split("=", 1) for name, value in pairs if name == "build-arg")
    return found


def test_the_eight_images_are_pushed_under_the_tag_with_their_layers_cached(build: Build) -> None:
    found = options_of(build)
    assert {name: options["file"] for name, (options, _) in found.items()} == IMAGES
    for name, (options, _) in found.items():
        image = f"earth1-docker.pkg.dev/project/shelf/{name}"
        assert options["tag"] == f"{image}:b1"
        assert options["cache-from"] == f"type=registry,ref={image}:cache"
        assert options["cache-to"] == f"type=registry,ref={image}:cache,mode=max"
        assert options["sbom"] == "true"
        assert options["provenance"] == "mode=max"


def test_an_image_gets_the_arguments_that_its_dockerfile_has(build: Build) -> None:
    for name, (options, arguments) in options_of(build).items():
        lines = dockerfile(options["file"].removeprefix("deploy/"))
        known = {line.split()[1].split("=")[0] for line in lines if line.startswith("ARG ")}
        assert set(arguments) <= known, name
        assert {"REVISION", "VERSION", "SOURCE"} <= set(arguments), name
        base = "TRITON_IMAGE" if name == "triton-gpu" else "PYTHON_IMAGE"
        assert arguments[base] == example()[base]
        assert arguments.get("LOCK") == LOCKS.get(name)
        # Only the image for GPUs has CUDA's libraries, which are dependencies of torch.
        assert arguments.get("TORCH_DEPENDENCIES") == ("" if name == "training-gpu" else None)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert build.substitutions["_VERSION"] == version


def test_region_and_repository_must_be_given_and_the_rest_is_known(build: Build, text: str) -> None:
    without_comments = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    assert used(without_comments) - set(build.substitutions) - BUILT_IN == {"_REGION", "_REPOSITORY"}
    assert build.options.substitutionOption == "MUST_MATCH"  # what is not given refuses the build
    assert build.options.dynamicSubstitutions  # as some of the substitutions are made of others


def test_every_builder_of_cache_is_the_one_that_was_made(build: Build) -> None:
    (made,) = (step for step in build.steps if "create" in step.args)
    name = made.args[made.args.index("--name") + 1]
    assert made.args[made.args.index("--driver") + 1] == "docker-container"  # the default one cannot export a cache
    for step in build.steps:
        if "build" in step.args:
            assert f"--builder={name}" in step.args
