"""Runs of token ids by another model of the same Triton (BLS): on GPUs `encoder` does the arithmetic.

`text_encoder` keeps its contract and all that it does with texts; each of its runs becomes one call of the inner model,
in the same process and, where both lie on the CPU, without a copy through a socket.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

OUTPUT = "embedding"


def inner_model(version: str) -> InnerModel | None:
    """The model that `AKIN_ENCODER_INNER` names, in this version; None when it names none.

    It has to be loaded before `text_encoder`: neither loads nor calls of other models are possible in `initialize`.
    """
    name = os.environ.get("AKIN_ENCODER_INNER")
    return InnerModel(name, int(version)) if name else None


class InnerModelFailed(RuntimeError):
    """The inner model gave no vectors; the message is Triton's, with the model's name."""


class InnerModel:
    """One version of a model in this server, called like a runtime: tensors in, vectors out."""

    def __init__(self, name: str, version: int) -> None:
        """Takes the model's name and version; it has to be loaded before it is called."""
        self.name = name
        self.version = version

    def __call__(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """Vectors float32 [rows, dim] of int64 tensors [rows, length].

        Raises:
            InnerModelFailed: The model is not loaded, or refuses or fails.
        """
        request = pb_utils.InferenceRequest(
            model_name=self.name,
            model_version=self.version,
            requested_output_names=[OUTPUT],
            inputs=[pb_utils.Tensor(name, tensor) for name, tensor in feed.items()],
            # Without this a model on a GPU leaves its vectors there, and NumPy cannot read them.
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU),
        )
        response = request.exec()
        if response.has_error():
            raise InnerModelFailed(f"{self.name} version {self.version}: {response.error().message()}")
        vectors: Any = pb_utils.get_output_tensor_by_name(response, OUTPUT)
        return vectors.as_numpy()
