"""The inner model of a GPU server, played on a CPU: token ids in, vectors out, every call written down."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """ONNX Runtime over the graph of `text_encoder`'s version of the same number."""

    def initialize(self, args):
        folder = Path(args["model_repository"]).parent / "text_encoder" / args["model_version"]
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        self.calls = Path(os.environ["INNER_CALLS"])

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        ids, mask = (
            pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in ("input_ids", "attention_mask")
        )
        rows, length = ids.shape
        with self.calls.open("a") as file:
            file.write(f"{rows} {length}\n")
        if (ids == int(os.environ["INNER_BREAKS_AT"])).any():
            error = pb_utils.TritonError("the device has fallen off the bus")
            return pb_utils.InferenceResponse([], error=error)
        # The graph can tell several texts of a row apart; here each row is one.
        positions = np.tile(np.arange(length), (rows, 1))
        feed = {"input_ids": ids, "segment_ids": mask, "position_ids": positions, "slots": np.ones(1, np.int64)}
        return pb_utils.InferenceResponse([pb_utils.Tensor("embedding", self.session.run(None, feed)[0][:, 0])])
