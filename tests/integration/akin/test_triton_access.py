"""Test that a real Triton offers only inference, health and metadata without the key."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc
from tritonclient.utils import InferenceServerException

from akin.stack import triton_key, tritonserver
from akin.stack.processes import free_ports, send, start, stop, wait_until
from akin.stack.triton import TritonProcess, is_live
from akin.stack_settings import Settings
from retrieval_service.adapters import triton_wire
from retrieval_service.adapters.triton_wire import GrpcWire
from retrieval_service.errors import EncoderUnavailable
from tests.conftest import environment_for

pytestmark = pytest.mark.integration

# Triton puts a prefix before the name of a header that comes over gRPC.
GRPC_HEADER = f"triton-grpc-protocol-{triton_key.HEADER}"
MODEL = "class TritonPythonModel:\n    def execute(self, requests):\n        return [None] * len(requests)\n"


def bare_triton(data: Path) -> TritonProcess:
    """Start a server as `akin up` does, but without a model, which is fast."""
    (data / "models").mkdir()
    settings = Settings.read(environment_for(data, data / "models"))
    http, grpc_port, metrics = free_ports(3)
    key = triton_key.make(settings)
    ports = (http, grpc_port, metrics)
    command = tritonserver.server_command(settings, settings.repository, "127.0.0.1", ports, key=key)
    environment = tritonserver.server_environment(settings, environment_for(data, data / "models"))
    child = start("Triton", command, environment, data / "triton.log", tied=True)
    wait_until(lambda: is_live(f"127.0.0.1:{http}"), child, 60)
    return TritonProcess(child, f"127.0.0.1:{http}", f"127.0.0.1:{grpc_port}", key)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonProcess]:
    running = bare_triton(tmp_path_factory.mktemp("bare"))
    yield running
    stop([running.child])


def body_with_code(name: str, marker: Path) -> dict[str, Any]:
    """Return a load request with a foreign model, which writes a file when it runs."""
    code = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n{MODEL}"
    config = {
        "name": name,
        "backend": "python",
        "input": [{"name": "A", "data_type": "TYPE_INT32", "dims": [1]}],
        "output": [{"name": "B", "data_type": "TYPE_INT32", "dims": [1]}],
        "instance_group": [{"kind": "KIND_CPU"}],
    }
    return {"parameters": {"config": json.dumps(config), "file:1/model.py": base64.b64encode(code.encode()).decode()}}


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_foreign_model_is_loaded_only_with_the_key(bare: TritonProcess, tmp_path: Path, protocol: str) -> None:
    marker = tmp_path / "ran"
    name = f"by_{protocol}"
    body = body_with_code(name, marker)

    def load(key: str) -> str:
        if protocol == "http":
            url = f"http://{bare.http}/v2/repository/models/{name}/load"
            answer = httpx.post(url, json=body, headers={triton_key.HEADER: key} if key else {}, timeout=60)
            return str(answer.status_code)
        request = messages.RepositoryModelLoadRequest(model_name=name)
        request.parameters["config"].string_param = body["parameters"]["config"]
        request.parameters["file:1/model.py"].bytes_param = base64.b64decode(body["parameters"]["file:1/model.py"])
        with grpc.insecure_channel(bare.grpc) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            try:
                stub.RepositoryModelLoad(request, timeout=60, metadata=[(GRPC_HEADER, key)] if key else None)
            except grpc.RpcError as error:
                return str(error.details())
        return "200"

    for wrong in ("", "0" * 64, bare.key[:-1], bare.key.upper() + "x"):
        refused = load(wrong)
        assert refused == "403" if protocol == "http" else "is restricted" in refused
    assert not marker.exists()
    assert load(bare.key) == "200"
    assert marker.exists()  # so that is what the key keeps from others


HTTP_CALLS = [
    ("POST", "repository/index"),
    ("POST", "repository/models/text_encoder/load"),
    ("POST", "repository/models/text_encoder/unload"),
    ("POST", "repository/models/other/load"),
    ("GET", "models/text_encoder/config"),
    ("GET", "models/text_encoder/versions/1/config"),
    ("GET", "models/stats"),
    ("GET", "models/text_encoder/stats"),
    ("GET", "models/text_encoder/versions/1/stats"),
    ("GET", "trace/setting"),
    ("POST", "trace/setting"),
    ("POST", "models/text_encoder/trace/setting"),
    ("GET", "logging"),
    ("POST", "logging"),
    ("GET", "systemsharedmemory/status"),
    ("GET", "systemsharedmemory/region/some/status"),
    ("POST", "systemsharedmemory/region/some/register"),
    ("POST", "systemsharedmemory/region/some/unregister"),
    ("POST", "systemsharedmemory/unregister"),
    ("GET", "cudasharedmemory/status"),
    ("POST", "cudasharedmemory/region/some/register"),
    ("POST", "cudasharedmemory/unregister"),
]
OPEN_CALLS = {"ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelInfer"}


@pytest.mark.parametrize(("method", "path"), HTTP_CALLS)
def test_all_but_inference_health_and_metadata_is_refused_over_http(
    triton: TritonProcess, tmp_path: Path, method: str, path: str
) -> None:
    files = {"trace_file": str(tmp_path / "trace"), "log_file": str(tmp_path / "log")}
    body = {**files, "log_verbose_level": 1} if method == "POST" else None
    answer = httpx.request(method, f"http://{triton.http}/v2/{path}", json=body, timeout=10)
    assert answer.status_code == 403, answer.text
    assert "restricted" in answer.json()["error"]
    assert not list(tmp_path.iterdir())


def test_all_but_inference_health_and_metadata_is_refused_over_grpc(triton: TritonProcess) -> None:
    """Try every call of the protocol."""
    service = messages.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    calls = {each.name: each for each in service.methods if each.name not in OPEN_CALLS | {"ModelStreamInfer"}}
    assert len(calls) > 10
    with grpc.insecure_channel(triton.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for name, method in calls.items():
            request = getattr(messages, method.input_type.name)()
            with pytest.raises(grpc.RpcError, match="This protocol is restricted") as refused:
                getattr(stub, name)(request, timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE, name


def test_inference_health_and_metadata_are_open(triton: TritonProcess) -> None:
    for path in ("", "/health/live", "/health/ready", "/models/text_encoder", "/models/text_encoder/versions/1/ready"):
        assert httpx.get(f"http://{triton.http}/v2{path}", timeout=10).status_code == 200, path
    tensor = {"name": "TEXT", "datatype": "BYTES", "shape": [1, 1], "data": ["a text"]}
    body = {"inputs": [tensor], "outputs": [{"name": "EMBEDDING"}]}
    infer = f"http://{triton.http}/v2/models/text_encoder/versions/1/infer"
    assert len(httpx.post(infer, json=body, timeout=10).json()["outputs"][0]["data"]) == 384
    with grpc.insecure_channel(triton.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(messages.ServerLiveRequest(), timeout=10).live
        assert stub.ServerReady(messages.ServerReadyRequest(), timeout=10).ready
        assert stub.ModelReady(messages.ModelReadyRequest(name="text_encoder", version="1"), timeout=10).ready
        assert stub.ServerMetadata(messages.ServerMetadataRequest(), timeout=10).name == "triton"
        found = stub.ModelMetadata(messages.ModelMetadataRequest(name="text_encoder"), timeout=10)
        assert list(found.versions) == ["1"]
        request = messages.ModelInferRequest(model_name="text_encoder", model_version="1")
        request.inputs.add(name="TEXT", datatype="BYTES", shape=[1, 1])
        request.raw_input_contents.append(b"\x06\0\0\0a text")
        answer = stub.ModelInfer(request, timeout=10)
        assert np.frombuffer(answer.raw_output_contents[0], np.float32).shape == (384,)


def test_the_key_is_kept_from_other_users(triton: TritonProcess) -> None:
    """Find no key in the list of processes: the server takes it only as an argument, which is overwritten."""
    arguments = Path(f"/proc/{triton.child.pid}/cmdline").read_text()
    assert "--http-restricted-api=" in arguments
    assert triton.key not in arguments
    assert triton.key not in Path(triton.child.log).read_text()
    assert triton.key not in repr(triton)


def faster_pings(monkeypatch: pytest.MonkeyPatch, milliseconds: int) -> None:
    """Shorten the ping interval and the timeouts of the next channel by the same factor."""
    options = dict(triton_wire._CHANNEL)
    ratio = milliseconds / options["grpc.keepalive_time_ms"]
    names = [name for name in options if name.startswith("grpc.keepalive_time") or name.endswith("ping_timeout_ms")]
    faster = {name: int(options[name] * ratio) for name in names}
    monkeypatch.setattr(triton_wire, "_CHANNEL", list({**options, **faster}.items()))


async def test_a_call_to_a_hung_triton_fails_before_its_timeout(
    bare: TritonProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster_pings(monkeypatch, 500)
    wire = GrpcWire(bare.grpc)
    assert await wire._client.is_server_live()
    send(bare.child, signal.SIGSTOP)
    try:
        with pytest.raises(EncoderUnavailable, match="cannot embed now"):
            await wire.ready_versions(20)
    finally:
        send(bare.child, signal.SIGCONT)
    deadline = monotonic() + 20
    while not await is_there(wire):
        assert monotonic() < deadline
        await asyncio.sleep(0.1)
    await wire.close()


async def is_there(wire: GrpcWire) -> bool:
    try:
        return bool(await wire._client.is_server_live(client_timeout=2))
    except InferenceServerException:
        return False


def connections_to(address: str) -> set[str]:
    """Return the sources of this machine's established connections to a port, in the kernel's notation."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    lines = [line for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()[1:]]
    rows = [line.split()[1:4] for line in lines]
    return {local for local, remote, state in rows if remote.endswith(port) and state == "01"}


async def test_triton_accepts_the_keepalive_pings_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Use a twentieth of the real intervals; a server that gets too many pings closes the connection."""
    monkeypatch.setattr(tritonserver, "PING_INTERVAL_MS", tritonserver.PING_INTERVAL_MS // 20)
    faster_pings(monkeypatch, dict(triton_wire._CHANNEL)["grpc.keepalive_time_ms"] // 20)
    running = bare_triton(tmp_path)
    try:
        wire = GrpcWire(running.grpc)
        assert await wire._client.is_server_live()
        before = connections_to(running.grpc)
        assert len(before) == 1
        await asyncio.sleep(4)  # eight pings: the third one too many would be the end
        assert await wire._client.is_server_live()
        assert connections_to(running.grpc) == before
        await wire.close()
    finally:
        stop([running.child])
