"""Examine the machine: its system, CPU, cores, memory, files that may be open, and its clock."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from akin.doctor.finding import Finding, fail, gigabytes, ok, warn
from akin.settings import EncoderSettings
from akin.settings.cores import usable_cores
from akin.stack_settings import Settings
from akin.storage.cpu import cpu_features, cpu_fields

INT8_FEATURES = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""Instructions with which the encoder runs by OpenVINO (`model_repository/text_encoder/runtime.py`)."""

PARTS_MEMORY = 2_000_000_000
"""Bytes that Triton, the service and the page take together with the default encoder, beside the index."""

SHARED_MEMORY = 64_000_000
OPEN_FILES = 1024
BUILT = datetime(2026, 1, 1, tzinfo=UTC)
"""No release is older: a clock before this day is wrong."""


@dataclass(frozen=True)
class Machine:
    """Facts about this machine.

    Attributes:
        system: `Linux`, `Darwin` or `Windows`.
        architecture: `x86_64`, `aarch64` and the like.
        cpu: Name of the CPU.
        features: Its instruction sets, in Linux's names; empty if the system does not tell.
        cores: Cores that this process may use.
        quota: CPUs that a container may use, if it has a limit.
        memory: Bytes of memory, or the limit of a container if that is lower.
        available: Bytes that are free, or can be freed.
        shared: Bytes of shared memory (/dev/shm); None if there is none.
        files: Files that a process may open.
        now: Time by its clock.
    """

    system: str
    architecture: str
    cpu: str
    features: frozenset[str]
    cores: int
    quota: float | None
    memory: int
    available: int
    shared: int | None
    files: int
    now: datetime

    @classmethod
    def here(cls) -> Machine:
        """Return the facts about the machine that this process runs on."""
        import psutil

        memory, limit = psutil.virtual_memory(), _limit("memory.max", r"(\d+)$")
        fields = cpu_fields()
        return cls(
            system=platform.system(),
            architecture=platform.machine(),
            cpu=fields.get("model name") or platform.processor() or "unknown",
            features=cpu_features(),
            cores=usable_cores(),
            quota=_quota(),
            memory=int(min(memory.total, limit or memory.total)),
            available=int(min(memory.available, limit or memory.available)),
            shared=shutil.disk_usage("/dev/shm").total if Path("/dev/shm").is_dir() else None,
            files=_open_files(),
            now=datetime.now(UTC),
        )


def examine_machine(machine: Machine, settings: Settings, encoder: EncoderSettings) -> Iterator[Finding]:
    """Yield the findings about a machine; the server that is tested is the one that these settings start."""
    local = not settings.triton_url
    yield _system(machine, local=local)
    yield _cpu(machine, encoder, local=local)
    yield _cores(machine)
    if machine.shared is not None and machine.shared < SHARED_MEMORY and local:
        size = gigabytes(machine.shared)
        advice = "enlarge /dev/shm, in containers with shm_size: 256m: Triton passes texts and vectors through it"
        yield fail("shared memory", size, advice)
    if machine.files < OPEN_FILES:
        yield warn("open files", f"{machine.files} a process", "ulimit -n 4096: each connection is one of these")
    if machine.now < BUILT:
        advice = "set the clock (timedatectl set-ntp true): certificates and the days of harvests need it"
        yield fail("clock", f"{machine.now:%Y-%m-%d %H:%M} UTC", advice)
    else:
        yield ok("clock", f"{machine.now:%Y-%m-%d %H:%M} UTC")


def examine_memory(machine: Machine, index: int) -> Finding:
    """Return the finding about memory for an index of so many bytes, which the service reads as a whole."""
    needed = index + PARTS_MEMORY
    has = f"{gigabytes(machine.memory)}, {gigabytes(machine.available)} of it free"
    if machine.memory < needed:
        what = f"{has}; the index ({gigabytes(index)}) and the parts of the stack need {gigabytes(needed)}"
        smaller = f"akin index tune --memory {max(1, (machine.memory - PARTS_MEMORY) // 1_000_000)}"
        advice = f"make a smaller index ({smaller}), or add memory" if index > PARTS_MEMORY else "add memory"
        return warn("memory", what, advice)
    return ok("memory", has)


def _system(machine: Machine, *, local: bool) -> Finding:
    name = f"{machine.system} {machine.architecture}, Python {platform.python_version()}"
    if local and (machine.system, machine.architecture) != ("Linux", "x86_64"):
        advice = "run Akin in containers (docs/containers.md), or set AKIN_TRITON_URL to a Triton elsewhere"
        return fail("system", f"{name}: the Triton server has no wheel for it", advice)
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return fail("system", name, "use Python 3.11, 3.12 or 3.13")
    return ok("system", name)


def _cpu(machine: Machine, encoder: EncoderSettings, *, local: bool) -> Finding:
    if not machine.features:
        return ok("cpu", f"{machine.cpu}; this system does not tell its instructions")
    has = [name for name in ("avx2", "avx512f", *sorted(INT8_FEATURES)) if name in machine.features]
    found = f"{machine.cpu}: {', '.join(has) or 'no AVX2'}"
    if not local or machine.architecture != "x86_64":
        return ok("cpu", found)
    if "avx2" not in machine.features:
        advice = "set AKIN_TRITON_URL to a Triton elsewhere; in a virtual machine, pass the host's CPU on"
        return fail("cpu", found, advice)
    native = bool(INT8_FEATURES & machine.features)
    if encoder.encoder_runtime == "openvino" and not native:
        return warn("cpu", f"{found}; AKIN_ENCODER_RUNTIME is openvino", "unset it: ONNX Runtime is faster on this CPU")
    if not native:
        advice = "nothing has to be done; a CPU with AVX512-VNNI, AVX-VNNI or AMX encodes faster"
        return warn("cpu", f"{found}; without INT8 instructions the encoder runs by ONNX Runtime", advice)
    return ok(
        "cpu",
        f"{found}; the encoder runs by {'ONNX Runtime' if encoder.encoder_runtime == 'onnxruntime' else 'OpenVINO'}",
    )


def _cores(machine: Machine) -> Finding:
    if machine.quota is not None and machine.quota < machine.cores:
        most = max(1, int(machine.quota))
        advice = f"set AKIN_SEARCH_THREADS and AKIN_ENCODER_THREADS to {most}: both count the cores otherwise"
        return warn("cores", f"{machine.cores}, of which this container may use {machine.quota:g}", advice)
    if machine.cores < 2:
        return warn("cores", str(machine.cores), "use two or more: the encoder and the service share one")
    return ok("cores", str(machine.cores))


def _limit(name: str, pattern: str) -> int | None:
    """Return a limit of this process's control group; None without one."""
    try:
        found = re.match(pattern, (Path("/sys/fs/cgroup") / name).read_text("ascii").strip())
    except (OSError, UnicodeDecodeError):
        return None
    return int(found[1]) if found else None


def _quota() -> float | None:
    time, period = _limit("cpu.max", r"(\d+) "), _limit("cpu.max", r"\d+ (\d+)")
    return time / period if time and period else None


def _open_files() -> int:
    if sys.platform == "win32":
        return OPEN_FILES
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
