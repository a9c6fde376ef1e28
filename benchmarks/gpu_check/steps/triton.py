"""Step `triton`: texts a second and waiting times through Triton, from clients in processes of their own.

The server is the wheel's; `text_encoder` and its inner model `encoder` run as they are served (`model_repository/`),
the latter with its torch runtime.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import numpy as np

from benchmarks.encoder.clients import ClientLoad, drive, embedding_client
from benchmarks.gpu_check.code import FOLDER
from benchmarks.gpu_check.exact import exact_vectors
from benchmarks.gpu_check.job import Job, NotRun, Recorder, step_folder
from benchmarks.gpu_check.steps.machine import require_device
from benchmarks.gpu_check.texts import read_texts

SYSTEM = "ours, Triton gRPC"
_ROOT = Path(__file__).resolve().parents[3]
_BATCH = 64
# As `akin encoder gpu` writes it (akin/registry/gpu.py); the libraries for that need not be here.
_CONFIG = """
name: "encoder"
backend: "python"
max_batch_size: 0
input [
  { name: "input_ids" data_type: TYPE_INT64 dims: [ -1, -1 ] },
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1, -1 ] }
]
output [ { name: "embedding" data_type: TYPE_FP32 dims: [ -1, -1 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
"""
_PROCESSES = 4


def run(job: Job, record: Recorder) -> None:
    """Start the server and measure it."""
    if not job.triton:
        raise NotRun("no Triton wheel: put it into GPU_WHEELS_TRITON (docs/gpu.md).")
    try:
        import tritonclient.grpc.aio  # noqa: F401
    except (ImportError, RuntimeError) as error:
        # The client reports a missing package of its own as a RuntimeError.
        lacks = error.name if isinstance(error, ImportError) else getattr(error.__cause__, "name", error)
        raise NotRun(f"its client needs the package {lacks}: put the wheels of wheels.txt into GPU_WHEELS.") from error
    require_device(job)
    papers = read_texts(job.papers, 40_000 if job.on_gpu else 32)
    sets = {"abstracts": [paper.abstract for paper in papers], "titles": [paper.title for paper in papers]}
    with serve(job) as address, ProcessPoolExecutor(_PROCESSES, multiprocessing.get_context("spawn")) as pool:
        record.attempt("the vectors of Triton", lambda: compare(job, record, address, sets["abstracts"][:32]))
        window = record.window(14, 10.0 if job.on_gpu else 0.05)
        for clients in (1, 8, 64) if job.on_gpu else (1, 4):
            for kind, texts in sets.items():
                found = measure(pool, address, texts, clients, _BATCH if job.on_gpu else 4, window)
                record.row(SYSTEM, f"{kind}, {clients} clients", "texts/s", texts_a_second(found), "/s")
            found = measure(pool, address, sets["titles"], clients, 1, window / 2)
            times = [each for load in found for each in load.times]
            record.row(SYSTEM, f"single titles, {clients} clients", "texts/s", texts_a_second(found), "/s")
            for percent in (50, 95):
                waited = 1e3 * float(np.percentile(times, percent))
                record.row(SYSTEM, f"single titles, {clients} clients", f"p{percent}", waited, "ms")


def compare(job: Job, record: Recorder, address: str, texts: Sequence[str]) -> None:
    """Record the cosines of the served vectors to those of sentence-transformers in FP32."""
    exact = exact_vectors(job, "abstracts", texts)
    found = drive(embedding_client("grpc", address, "text_encoder"), texts, 1, 16, keep=True).vectors()
    record.row(SYSTEM, "abstracts", "1 − mean cosine to FP32", 1 - float((found * exact).sum(axis=1).mean()))


def measure(
    pool: ProcessPoolExecutor, address: str, texts: Sequence[str], clients: int, size: int, seconds: float
) -> list[ClientLoad]:
    """Return the loads of clients that share the processes, after a shorter run that warms up and sets the number."""
    processes = min(_PROCESSES, clients)
    warm = send(pool, address, texts[: 4 * size * clients], clients, size, processes)
    wanted = int(texts_a_second(warm) * seconds)
    some = list(texts)
    while len(some) < wanted and len(some) < 1_000_000:
        some += texts
    return send(pool, address, some[: max(wanted, size * clients)], clients, size, processes)


def send(
    pool: ProcessPoolExecutor, address: str, texts: Sequence[str], clients: int, size: int, processes: int
) -> list[ClientLoad]:
    """Return the load of each process."""
    parts = [texts[number::processes] for number in range(processes)]
    jobs = [pool.submit(load, address, part, clients // processes, size) for part in parts if part]
    return [each.result() for each in jobs]


def load(address: str, texts: Sequence[str], clients: int, size: int) -> ClientLoad:
    """Send texts from one process."""
    return drive(embedding_client("grpc", address, "text_encoder"), texts, clients, size)


def texts_a_second(loads: Sequence[ClientLoad]) -> float:
    """Return the sum of the rates of processes that send at the same time."""
    return sum(each.texts / each.seconds for each in loads)


@contextmanager
def serve(job: Job) -> Iterator[str]:
    """Run a server with both models; yield its gRPC address."""
    folder = step_folder(job, "triton")
    repository = make_repository(job, folder / "models")
    http, grpc = free_ports()
    log = Path(job.log)
    with log.open("ab") as output:
        before = output.tell()
        server = subprocess.Popen(
            server_command(job, folder, repository, http, grpc),
            env=server_environment(job, folder),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_ready(server, http, log, before, job.limit)
        yield f"127.0.0.1:{grpc}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


def make_repository(job: Job, folder: Path) -> Path:
    """Write `text_encoder` without a graph, as the inner model has it, and `encoder`; return the repository."""
    model = Path(job.model)
    shutil.rmtree(folder, ignore_errors=True)
    outer, inner = folder / "text_encoder", folder / "encoder"
    for each in (outer, inner):
        (each / "1").mkdir(parents=True)
    source = _ROOT / "model_repository/text_encoder"
    shutil.copy(source / "config.pbtxt", outer)
    for path in (*source.glob("*.py"), model / "tokenizer.json"):
        shutil.copy(path, outer / "1")
    config = json.loads((model / "config.json").read_bytes())
    settings = json.loads((model / "sentence_bert_config.json").read_bytes())
    manifest = {
        "dim": config["hidden_size"],
        "max_length": min(settings.get("max_seq_length") or 512, config["max_position_embeddings"]),
        "digest": hashlib.sha256((model / "config.json").read_bytes()).hexdigest(),
        "graph": {"file": "none", "inputs": ["input_ids", "attention_mask"], "pad_id": config.get("pad_token_id") or 0},
    }
    (outer / "1" / "manifest.json").write_text(json.dumps(manifest))
    (inner / "config.pbtxt").write_text(_CONFIG)
    made = {
        "runtime": "torch",
        "device": job.device,
        "weights": str(model),
        **{name: manifest[name] for name in ("dim", "max_length")},
    }
    (inner / "1" / "made.json").write_text(json.dumps(made))
    for path in FOLDER.glob("*.py"):
        shutil.copy(path, inner / "1")
    return folder


def server_command(job: Job, folder: Path, repository: Path, http: int, grpc: int) -> list[str]:
    """Return the server's command line, with a backend directory for this Python's stub.

    Raises:
        NotRun: The wheel has no stub for this Python.
    """
    server = Path(job.triton) / "server/pytriton/tritonserver"
    name = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / name / "triton_python_backend_stub"
    if not stub.is_file():
        raise NotRun(f"Triton's wheel in {job.triton} has no stub for Python {name}: use Python 3.11 to 3.13.")
    backend = folder / "backends/python"
    shutil.rmtree(backend, ignore_errors=True)
    backend.mkdir(parents=True)
    source = server / "backends/python"
    for target in (source / "libtriton_python.so", source / "triton_python_backend_utils.py", stub):
        (backend / target.name).symlink_to(target.resolve())
    return [
        str(server / "bin/tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={backend.parent}",
        "--disable-auto-complete-config",
        *("--http-address=127.0.0.1", f"--http-port={http}", "--grpc-address=127.0.0.1", f"--grpc-port={grpc}"),
        *("--allow-metrics=false", "--exit-timeout-secs=5"),
        f"--backend-config=python,shm-region-prefix-name=gpu-check-{os.getpid()}",
    ]


def server_environment(job: Job, folder: Path) -> dict[str, str]:
    """Return the environment in which stub and models find their libraries.

    The stub reads no PYTHONPATH, only the packages of the first Python on PATH. So that one is an environment made for
    it: NumPy 1, then the packages of this Python.

    Raises:
        NotRun: There is no shared library of this Python.
    """
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = f"lib{name}.so.1.0"
    home = Path(job.python_home or sys.base_prefix)
    places = [home / "lib", Path("/usr/lib/x86_64-linux-gnu")]
    place = next((each for each in places if (each / library).exists()), None)
    if place is None:
        raise NotRun(f"Triton's stub needs {library}: install it, or put python-home.tar.xz into GPU_WHEELS_TRITON.")
    environment = folder / "environment"
    packages = environment / "lib" / name / "site-packages"
    shutil.rmtree(environment, ignore_errors=True)
    packages.mkdir(parents=True)
    (environment / "bin").mkdir()
    for program in ("python3", "python", name):
        (environment / "bin" / program).symlink_to(sys.executable)
    (environment / "pyvenv.cfg").write_text(f"home = {home / 'bin'}\ninclude-system-site-packages = false\n")
    for path in (Path(job.triton) / "numpy").iterdir():
        (packages / path.name).symlink_to(path.resolve())
    others = [str(_ROOT), sysconfig.get_path("purelib"), *os.environ.get("PYTHONPATH", "").split(":")]
    (packages / "others.pth").write_text("".join(f"{path}\n" for path in others if path))
    return {
        **os.environ,
        "PATH": f"{environment / 'bin'}:{os.environ.get('PATH', '')}",
        "LD_LIBRARY_PATH": f"{Path(job.triton) / 'server/nvidia_pytriton.libs'}:{place}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AKIN_ENCODER_INNER": "encoder",
    }


def wait_until_ready(server: subprocess.Popen[bytes], http: int, log: Path, before: int, seconds: float) -> None:
    """Wait until both models are loaded.

    Args:
        server: The server.
        http: Its port.
        log: The file of its output.
        before: The size of that file before the server started.
        seconds: The longest wait.

    Raises:
        NotRun: The server ended, or the time is over; the message has the log's last line with an error.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        output = log.read_bytes()[before:].decode(errors="replace")
        # After this message the server waits for ever.
        if server.poll() is not None or "Failed to preinitialize" in output:
            break
        if is_ready(http):
            return
        time.sleep(0.1)
    lines = log.read_bytes()[before:].decode(errors="replace").splitlines()
    errors = [line for line in lines if "Failed" in line or "failed" in line or "Error" in line]
    raise NotRun(f"the server did not start: {(errors or lines or ['no output'])[-1][:300]}")


def is_ready(http: int) -> bool:
    """Return True if the server on this machine answers that it is ready."""
    connection = HTTPConnection("127.0.0.1", http, timeout=1)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def free_ports() -> tuple[int, int]:
    """Return two ports that are free now."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
