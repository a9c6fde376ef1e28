"""Open a version's encoder with its runtime: torch, or ONNX Runtime with the provider of CUDA or TensorRT.

A runtime gets a request's tensors as they are (anything that gives DLPack: Triton's tensors, arrays of NumPy) and
returns unit vectors, float32 [rows, dim], in main memory. The same code measures a runtime before it is chosen
(measure.py). Imports nothing of this project, as it runs in the Python of a server.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Unusable(Exception):
    """Runtime that this machine cannot use; the message is one line with the reason and the next step."""


class Encoder(Protocol):
    """Opened encoder; one thread at a time may use it.

    Attributes:
        name: The runtime, with its version.
        inputs: The names of the tensors that it reads.
    """

    name: str
    inputs: list[str]

    def start(self, tensors: Mapping[str, Any]) -> Any:
        """Begin to compute the vectors of int64 tensors [rows, length]."""

    def finish(self, started: Any) -> Any:
        """Return the vectors, once they are in main memory: a tensor of torch, or an array of NumPy."""

    def warm_up(self) -> None:
        """Run the usual shapes once."""


def open_encoder(folder: Path, made: Mapping[str, Any]) -> Encoder:
    """Load a version's weights.

    Args:
        folder: The version's folder.
        made: Its `made.json`: `runtime`, `device`, `inputs`, `dim`, `max_length`, and maybe `packages`, a folder of
            packages beside those of this Python.

    Raises:
        Unusable: This machine cannot run it.
    """
    packages = made.get("packages")
    if packages and packages not in sys.path:
        # Behind the own packages: their NumPy is the one that Triton's stub was compiled for.
        sys.path.append(packages)
    if made["runtime"] == "torch":
        try:
            from torch_encoder import open_torch
        except (ImportError, OSError) as error:
            # A build for a CUDA whose libraries are missing fails here too.
            raise Unusable(
                f"torch cannot be loaded ({first_line(error)}): install its build for this machine in the training "
                "environment, or name a folder of packages that has it with --packages"
            ) from error
        return open_torch(folder, made)
    from onnx_encoder import OnnxEncoder

    return OnnxEncoder(folder, made)


def first_line(error: BaseException) -> str:
    """Return the type and the first line of an error's message."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:300]}" if text else type(error).__name__
