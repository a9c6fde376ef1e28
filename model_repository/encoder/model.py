"""Serve `encoder` in Triton's Python backend: token ids in, unit vectors out, by the runtime that the version names.

`text_encoder` calls it once for each of its runs. `made.json` of the version's folder has the runtime and the device.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from runtimes import open_encoder


class TritonPythonModel:
    """Instance of the encoder on a device, warm before Triton reports it as ready."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the version's weights, and run the usual shapes once."""
        folder = Path(args["model_repository"]) / args["model_version"]
        made = json.loads((folder / "made.json").read_bytes())
        self.encoder = open_encoder(folder, made)
        self.encoder.warm_up()
        pb_utils.Logger.log_info(
            f"encoder version {args['model_version']} is warm: {self.encoder.name} on {made['device']}"
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Start every request on the device, then wait for each; one that fails leaves the others."""
        started = [attempt(self.start, request) for request in requests]
        return [attempt(self.answer, each) for each in started]

    def start(self, request: Any) -> Any:
        """Return the vectors of a request's rows, as the runtime has them before the device has finished."""
        return self.encoder.start(
            {name: pb_utils.get_input_tensor_by_name(request, name) for name in self.encoder.inputs}
        )

    def answer(self, started: Any) -> Any:
        """Return a response with the vectors, or with the error of a request that could not be started."""
        if isinstance(started, pb_utils.TritonError):
            return pb_utils.InferenceResponse([], error=started)
        vectors = self.encoder.finish(started)
        # Triton frees NumPy's memory wrongly if it gets it by DLPack, and the process crashes.
        make = pb_utils.Tensor if isinstance(vectors, np.ndarray) else pb_utils.Tensor.from_dlpack
        return pb_utils.InferenceResponse([make("embedding", vectors)])

    def finalize(self) -> None:
        """Release the device's memory."""
        del self.encoder


def attempt(work: Any, argument: Any) -> Any:
    """Return the result of some work, or its error as Triton's."""
    try:
        return work(argument)
    except Exception as error:
        # Raised from `execute`, it would fail every request of the batch.
        print(f"encoder: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        return pb_utils.TritonError(text)
