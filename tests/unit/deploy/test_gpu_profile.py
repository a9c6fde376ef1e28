"""Test the parts of the profile `gpu` that can be tested without a GPU."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from akin.registry import gpu
from akin.registry.versions import Version
from akin.stack.foreground import single_version_repository
from akin.stack_settings import ROOT
from tests.unit.deploy.composition import Compose, dockerfile, example, final_stage, read

CPU, GPU = ("triton", "retrieval"), ("triton-gpu", "retrieval-gpu")


@pytest.fixture(scope="module")
def swapped() -> Compose:
    return read({"AKIN_CPU_SERVICES": "0"})


def environment_of(name: str) -> dict[str, str]:
    """Return the environment of an image's last stage."""
    lines = [line for line in final_stage(dockerfile(f"{name}.Dockerfile")) if line.startswith("ENV ")]
    return dict(pair.split("=", 1) for line in lines for pair in line.split()[1:])


def test_one_command_replaces_the_services_by_those_for_a_gpu(swapped: Compose) -> None:
    assert set(swapped.started("gpu")) == {"export", "export-gpu", "index", "ui", *GPU}
    assert set(read({}).started()) == {"export", "index", "ui", *CPU}
    for before, after in zip(CPU, GPU, strict=True):
        assert swapped.services[after].networks["monitoring"].aliases == [before]  # that Prometheus uses
        assert swapped.services[after].ports == swapped.services[before].ports
    command = "AKIN_CPU_SERVICES=0 docker compose --profile gpu up"
    for text in ("docker-compose.yml", "docs/containers.md"):
        assert command in (ROOT / text).read_text()


def test_every_gpu_is_reserved_by_what_uses_one_and_by_nothing_else(swapped: Compose) -> None:
    for name, service in swapped.services.items():
        if name not in GPU:
            assert service.deploy is None, name
            continue
        assert service.deploy is not None
        (device,) = service.deploy.resources.reservations.devices
        assert (device.driver, device.count, device.capabilities) == ("nvidia", "all", ["gpu"])


def test_engines_are_kept_where_the_generated_configuration_has_them(swapped: Compose) -> None:
    assert f"engines:{gpu.ENGINE_CACHE}" in swapped.services["triton-gpu"].volumes  # writable
    assert gpu.ENGINE_CACHE in next(line for line in dockerfile("triton-gpu.Dockerfile") if "install -d" in line)


@pytest.mark.parametrize("runtime", ["tensorrt", "cuda"])
def test_triton_gets_the_generated_configuration_with_one_version(tmp_path: Path, runtime: str) -> None:
    models = tmp_path / "models"
    made = {"version": 2, "inputs": ["input_ids", "attention_mask"], "dim": 384, "max_length": 256}
    for name in ("encoder", "text_encoder"):
        for number in ("2", "3"):
            (models / name / number).mkdir(parents=True)
    (models / "text_encoder" / "config.pbtxt").write_text(
        (ROOT / "model_repository/text_encoder/config.pbtxt").read_text()
    )
    gpu.write(models, made, runtime)
    inner = environment_of("triton-gpu")["AKIN_ENCODER_INNER"]
    shown = single_version_repository(models, Version(2, True, {"digest": "0"}), tmp_path / "shown", inner)
    for name in (inner, "text_encoder"):
        config = text_format.Parse((shown / name / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
        assert config.name == name
        assert list(config.version_policy.specific.versions) == [2]
        assert sorted(entry.name for entry in (shown / name).iterdir()) == ["2", "config.pbtxt"]


def test_the_image_is_nvidias_with_nothing_but_our_packages_on_top(swapped: Compose) -> None:
    lines = dockerfile("triton-gpu.Dockerfile")
    assert lines[0] == f"ARG TRITON_IMAGE={example()['TRITON_IMAGE']}"
    assert swapped.services["triton-gpu"].build is not None
    assert swapped.services["triton-gpu"].build.args["TRITON_IMAGE"] == example()["TRITON_IMAGE"]
    assert example()["TRITON_IMAGE"] in (ROOT / "deploy/tensorrt/build-plan").read_text()  # which builds engines for it
    assert [line.split()[1] for line in lines if line.startswith("FROM ")] == ["${TRITON_IMAGE}"] * 2
    last = final_stage(lines)
    assert "USER 10001:10001" in last
    assert [line for line in last if line.startswith("COPY ")] == ["COPY --from=build /opt/akin /opt/akin"]
    assert environment_of("triton-gpu")["AKIN_TRITON_HOME"] == "/opt/tritonserver"
    assert any("/akin.pth" in line for line in last)  # the Python of a model does not see PYTHONPATH
    assert not any(line.startswith("ENTRYPOINT") for line in lines)  # NVIDIA's finds the driver's libraries
    for command in re.findall(r"pip install [^&]*", "\n".join(lines)):
        assert "--require-hashes" in command
        assert "--no-deps" in command
    locked = {line.split("==")[0] for line in (ROOT / "requirements/triton-gpu.lock").read_text().splitlines()}
    assert {"tokenizers", "msgspec"} <= locked
    assert "numpy" not in locked  # the image's own is the one that its stub was compiled against


def test_the_service_has_one_faiss_and_the_right_one() -> None:
    for lock, faiss in (("service", "faiss-cpu"), ("service-gpu", "faiss-gpu")):
        packages = [line.split("==")[0] for line in (ROOT / f"requirements/{lock}.lock").read_text().splitlines()]
        assert [name for name in packages if name.startswith("faiss")] == [faiss]
    assert read({}).services["retrieval-gpu"].environment["AKIN_VECTOR_DEVICE"] == "gpu"
    assert read({}).services["retrieval-gpu"].image != read({}).services["retrieval"].image
