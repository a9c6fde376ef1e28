"""Read which NVIDIA card and driver this machine has, and say if a build for CUDA fits; load nothing of CUDA."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

LEAST_DRIVER = {"11": 450, "12": 525, "13": 580}
"""The oldest driver for each major release of CUDA (NVIDIA's table of minor version compatibility)."""

NO_DRIVER = "there is no NVIDIA driver (or no GPU): install the driver, then see that nvidia-smi lists the GPU"

_LOADED = Path("/proc/driver/nvidia/version")
_SMI_SECONDS = 20


class Card(NamedTuple):
    """First NVIDIA card, as nvidia-smi names it.

    Attributes:
        name: Its name.
        driver: The version of the driver.
        memory: Its memory, such as `81559 MiB`.
    """

    name: str
    driver: str
    memory: str


def first_card() -> Card | None:
    """Return the first card; None if nvidia-smi is not here or lists none."""
    try:
        name, driver, memory = (part.strip() for part in _ask("name,driver_version,memory.total").split(","))
    except ValueError:
        return None
    return Card(name, driver, memory)


def driver_version() -> str | None:
    """Return the version of the NVIDIA driver, such as `580.65.06`; None if there is none."""
    try:
        found = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)\s", _LOADED.read_text("utf-8", "replace"))
    except OSError:
        found = None
    if found:
        return found[1]
    # The file is not there everywhere (WSL, some sandboxes).
    asked = re.match(r"\d+(?:\.\d+)+", _ask("driver_version"))
    return asked[0] if asked else None


def _ask(fields: str) -> str:
    """Return what nvidia-smi says of the first card; nothing where it says nothing."""
    if (program := shutil.which("nvidia-smi")) is None:
        return ""
    command = [program, f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SMI_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]


def unusable(package: str, cuda: str | None, driver: str | None, available: bool) -> str | None:
    """Return the reason why a package cannot use a GPU, and what to do; None if it can.

    Args:
        package: The name of the package.
        cuda: The release of CUDA that it is built for, such as `13.0`; None for a build for CPUs.
        driver: The version of the driver; None if there is none.
        available: True if the package itself sees a GPU.
    """
    if driver is None:
        return NO_DRIVER
    if cuda is None:
        return f"{package} is built for CPUs: install its build for CUDA"
    least = LEAST_DRIVER.get(cuda.split(".")[0], 0)
    if int(driver.split(".")[0]) < least:
        return (
            f"driver {driver} is too old for {package}'s CUDA {cuda}, which needs {least} or newer: update the driver, "
            f"or install a {package} for an older CUDA"
        )
    if not available:
        return (
            f"{package} sees no GPU although driver {driver} is loaded: check CUDA_VISIBLE_DEVICES and the rights on "
            "/dev/nvidia*"
        )
    return None


def lacking_memory(what: str, needed: int, free: int) -> str | None:
    """Return the reason why something does not fit into a GPU's free memory, and what to do; None if it fits."""
    if free >= needed:
        return None
    return (
        f"{what} needs {needed / 2**30:.1f} GiB of GPU memory and {free / 2**30:.1f} GiB are free: end what else uses "
        "the GPU (nvidia-smi lists it), or take a larger one"
    )
