"""Serve `encoder` in Triton's Python backend with the torch runtime; tensors pass by DLPack, never through NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import triton_python_backend_utils as pb_utils

from benchmarks.gpu_check.torch_encoder import CAPACITIES, TorchEncoder


class TritonPythonModel:
    """Instance of the encoder on a device, warm before Triton reports it as ready."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights, and record the usual runs."""
        parameters = {
            key: value["string_value"] for key, value in json.loads(args["model_config"])["parameters"].items()
        }
        device = parameters["DEVICE"]
        dtype = torch.float16 if device == "cuda" else torch.float32
        self.encoder = TorchEncoder(Path(parameters["MODEL"]), device, dtype)
        lengths = [min(each, self.encoder.max_length) for each in (16, 128, 256)]
        for capacity in CAPACITIES[:-1]:
            for length in lengths if device == "cuda" else lengths[:1]:
                rows = min(64, max(1, capacity // length))
                self.encoder.run_flat(torch.full((rows * length,), self.encoder.pad_id), [length] * rows)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Start every request on the device, then wait for each."""
        started = [self.start(request) for request in requests]
        return [self.answer(vectors) for vectors in started]

    def start(self, request: Any) -> Any:
        """Return the vectors of a request's rows, float32 [rows, dim], on the device."""
        ids, mask = (
            torch.utils.dlpack.from_dlpack(pb_utils.get_input_tensor_by_name(request, name).to_dlpack())
            for name in ("input_ids", "attention_mask")
        )
        return self.encoder.run_flat(ids[mask.bool()].int(), mask.sum(dim=1).tolist())

    def answer(self, vectors: Any) -> Any:
        """Return a response with the vectors."""
        found = vectors.cpu().contiguous()
        return pb_utils.InferenceResponse([pb_utils.Tensor.from_dlpack("embedding", found)])
