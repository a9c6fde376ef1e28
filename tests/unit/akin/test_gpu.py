from __future__ import annotations

import importlib.util
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from akin.errors import EncoderError
from akin.registry import gpu
from akin.stack_settings import ROOT

INPUTS = ["input_ids", "attention_mask"]


@pytest.fixture
def made(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "encoder" / "3").mkdir(parents=True)
    return {"version": 3, "inputs": INPUTS, "dim": 384, "max_length": 256}


def written(repository: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse((repository / "encoder" / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


@pytest.mark.parametrize("max_length", [16, 48, 256, 384, 512, 2000, 8192])
def test_the_profiles_hold_every_run_that_text_encoder_makes(max_length: int) -> None:
    spec = importlib.util.spec_from_file_location("packing_py", ROOT / "model_repository/text_encoder/packing.py")
    assert spec is not None
    assert spec.loader is not None
    packing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(packing)
    assert max(packing.ROWS) == gpu.MAX_ROWS
    assert max(packing.ROWS) * packing.FINE_LENGTH == gpu.MAX_TOKENS
    found = gpu.profiles(max_length)
    for rows, length, _ in packing.shapes(max_length, gpu.MAX_TOKENS, shares_rows=False):
        fitting = [each for each in found if each.low[1] <= length <= each.high[1]]
        assert len(fitting) == 1
        assert rows <= fitting[0].high[0]
    for each in [*found, gpu.spanning_profile(max_length)]:
        assert all(low <= best <= high for low, best, high in zip(each.low, each.best, each.high, strict=True))
    assert all(rows * length <= 2 * gpu.MAX_TOKENS for rows, length in (each.high for each in found))
    assert all(before.high[1] + 1 == after.low[1] for before, after in pairwise(found))


@pytest.mark.parametrize("runtime", gpu.RUNTIMES)
def test_the_contract_with_text_encoder_is_the_same_on_every_runtime(
    tmp_path: Path, made: dict[str, object], runtime: str
) -> None:
    gpu.write(tmp_path, made, runtime)
    found = written(tmp_path)
    assert (found.name, found.max_batch_size) == ("encoder", 0)
    assert [(each.name, each.data_type, list(each.dims)) for each in found.input] == [
        (name, model_config_pb2.TYPE_INT64, [-1, -1]) for name in INPUTS
    ]
    assert [(each.name, each.data_type, list(each.dims)) for each in found.output] == [
        ("embedding", model_config_pb2.TYPE_FP32, [-1, 384])
    ]
    assert [group.kind for group in found.instance_group] == [model_config_pb2.ModelInstanceGroup.KIND_GPU]
    assert not found.HasField("dynamic_batching")


def test_tensorrt_by_onnx_runtime_gets_one_profile_and_a_cache(tmp_path: Path, made: dict[str, object]) -> None:
    gpu.write(tmp_path, made, "tensorrt", engine_cache="/engines")
    found = written(tmp_path)
    assert found.backend == "onnxruntime"
    (accelerator,) = found.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    options = dict(accelerator.parameters)
    assert options["precision_mode"] == "FP16"
    assert options["trt_engine_cache_enable"] == "1"
    assert options["trt_engine_cache_path"] == "/engines"
    assert options["trt_profile_min_shapes"] == "input_ids:1x1,attention_mask:1x1"
    assert options["trt_profile_opt_shapes"] == "input_ids:32x128,attention_mask:32x128"
    assert options["trt_profile_max_shapes"] == "input_ids:64x256,attention_mask:64x256"


def test_a_plan_gets_a_profile_for_each_range_of_length(tmp_path: Path, made: dict[str, object]) -> None:
    files = gpu.write(tmp_path, made, "plan")
    found = written(tmp_path)
    assert (found.backend, found.default_model_filename) == ("tensorrt", "model.plan")
    assert list(found.instance_group[0].profile) == ["0", "1", "2", "3", "4"]
    assert files[1] == tmp_path / "encoder" / "3" / "trtexec.args"
    lines = files[1].read_text().splitlines()
    assert [line for line in lines if line.startswith("--profile")] == [f"--profile={n}" for n in range(5)]
    assert "--minShapes=input_ids:1x65,attention_mask:1x65" in lines
    assert "--optShapes=input_ids:32x128,attention_mask:32x128" in lines


def test_cuda_alone_gets_no_accelerator(tmp_path: Path, made: dict[str, object]) -> None:
    gpu.write(tmp_path, made, "cuda")
    assert not written(tmp_path).HasField("optimization")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, made: dict[str, object]) -> None:
    (tmp_path / "encoder" / "config.pbtxt").mkdir()
    with pytest.raises(EncoderError, match=r"cannot write .*config\.pbtxt"):
        gpu.write(tmp_path, made, "cuda")


def test_without_a_gpu_the_missing_steps_are_reported(
    tmp_path: Path, made: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ["no NVIDIA driver" in line for line in gpu.missing_steps(tmp_path, 3, "tensorrt")] == [True]
    assert "build-plan" in gpu.missing_steps(tmp_path, 3, "plan")[1]
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    (tmp_path / "encoder" / "3" / "model.plan").write_text("")
    assert gpu.missing_steps(tmp_path, 3, "plan") == []


def test_the_plan_is_built_with_the_arguments_that_were_written(tmp_path: Path, made: dict[str, object]) -> None:
    """Use a `docker` that records its arguments and makes the file that trtexec would make."""
    script = ROOT / "deploy/tensorrt/build-plan"
    programs = tmp_path / "bin"
    programs.mkdir()
    run = ["bash", str(script), str(tmp_path), "3"]
    path = {"PATH": f"{programs}:/usr/bin:/bin"}
    first = subprocess.run(run, env=path, capture_output=True, text=True, check=False)
    assert first.returncode == 1
    assert "model.onnx is missing. Run first: akin encoder gpu 3 --runtime plan" in first.stderr

    gpu.write(tmp_path, made, "plan")
    (tmp_path / "encoder" / "3" / "model.onnx").write_text("")
    asked = tmp_path / "asked"
    (programs / "docker").write_text(
        f'#!/bin/bash\nprintf "%s\\n" "$@" > {asked}\necho engine > {tmp_path}/encoder/3/.model.plan.part\n'
    )
    (programs / "docker").chmod(0o755)
    without = subprocess.run(run, env=path, capture_output=True, text=True, check=False)
    assert without.returncode == 1
    assert "no nvidia-smi here" in without.stderr
    assert not asked.exists()

    (programs / "nvidia-smi").write_text("#!/bin/sh\n")
    (programs / "nvidia-smi").chmod(0o755)
    done = subprocess.run(run, env=path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "encoder" / "3" / "model.plan").read_text() == "engine\n"
    arguments = asked.read_text().splitlines()
    assert "--maxShapes=input_ids:64x256,attention_mask:64x256" in arguments
    assert "--stronglyTyped" in arguments
    assert arguments.index("--profile=0") < arguments.index("--profile=4")
