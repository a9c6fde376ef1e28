"""The code of `text_encoder`, imported as Triton does, with stand-ins for Triton's module and its requests."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "model_repository/text_encoder"
OURS = ("packing", "runtime", "inner", "bulk", "model")


class TritonError(Exception):
    """Error of one request, with a code."""

    INVALID_ARG, CANCELLED, UNAVAILABLE, INTERNAL = range(4)


class Request:
    """Request as Triton passes it; `response` is what was sent later, if the request was not answered at once."""

    def __init__(self, *texts: str, **parameters: object) -> None:
        self.texts = texts
        self.sent = threading.Event()
        self.response: Any = None
        self._parameters = json.dumps(parameters) if parameters else ""

    def parameters(self) -> str:
        return self._parameters

    def timeout(self) -> int:
        return 0

    def is_cancelled(self) -> bool:
        return False

    def requested_output_names(self) -> list[str]:
        return ["EMBEDDING", "TOKENS"]

    def get_response_sender(self) -> Any:
        return SimpleNamespace(send=self._take, is_cancelled=lambda: False)

    def _take(self, response: Any, flags: int) -> None:
        self.response = response
        self.sent.set()


@pytest.fixture
def request_of() -> type[Request]:
    """Return the class of requests."""
    return Request


@pytest.fixture
def text_encoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import the module `model` as Triton does: beside the others, with a `triton_python_backend_utils`."""
    utils: Any = ModuleType("triton_python_backend_utils")
    utils.Logger = SimpleNamespace(log_info=lambda message: None, log_warn=lambda message: None)
    utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
    utils.TritonError = TritonError
    utils.Tensor = lambda name, values: (name, values)
    utils.InferenceResponse = lambda output_tensors, error=None: SimpleNamespace(
        outputs=dict(output_tensors), error=error
    )
    utils.get_input_tensor_by_name = lambda request, name: SimpleNamespace(
        as_numpy=lambda: np.array([text.encode() for text in request.texts], dtype=object)
    )
    before = {name: sys.modules.pop(name, None) for name in OURS}
    monkeypatch.setitem(sys.modules, utils.__name__, utils)
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delenv("AKIN_ENCODER_INNER", raising=False)
    import model

    yield model
    for name in OURS:
        sys.modules.pop(name, None)
        if before[name] is not None:
            sys.modules[name] = before[name]
