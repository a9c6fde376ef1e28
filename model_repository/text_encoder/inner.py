"""Call another model of the same Triton (BLS) to run the graph, as on GPUs, where the model `encoder` does that.

`text_encoder` keeps its inputs, outputs and handling of texts; each of its runs becomes one call of the inner model, in
the same server and without a socket.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

OUTPUT = "embedding"


def inner_model(version: str) -> InnerModel | None:
    """Return the model named by `AKIN_ENCODER_INNER`, in this version; None if that is not set.

    It must be loaded before `text_encoder`, as `initialize` can neither load nor call other models.
    """
    name = os.environ.get("AKIN_ENCODER_INNER")
    return InnerModel(name, int(version)) if name else None


class InnerModelFailed(RuntimeError):
    """Failure of the inner model; the message is Triton's, with the model's name."""


class InnerModel:
    """Version of a model in this server, called like a graph of a runtime: tensors in, vectors out."""

    def __init__(self, name: str, version: int) -> None:
        """Take the model's name and version."""
        self.name = name
        self.version = version

    def __call__(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Return vectors, float32 [rows, dim], of int64 tensors [rows, length].

        Raises:
            InnerModelFailed: The model is not loaded, or refuses or fails.
        """
        request = pb_utils.InferenceRequest(
            model_name=self.name,
            model_version=self.version,
            requested_output_names=[OUTPUT],
            inputs=[pb_utils.Tensor(name, tensor) for name, tensor in feed.items()],
            # Otherwise a model on a GPU leaves its vectors there, where NumPy cannot read them.
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU),
        )
        response = request.exec()
        if response.has_error():
            raise InnerModelFailed(f"{self.name} version {self.version}: {response.error().message()}")
        vectors: Any = pb_utils.get_output_tensor_by_name(response, OUTPUT)
        return vectors.as_numpy()
