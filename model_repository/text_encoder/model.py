"""Triton's side of `text_encoder`: requests in, responses out; the work itself is in `runtime.py` beside this file.

A text that cannot be encoded fails its own request only: the other requests of the gathered batch are answered.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from runtime import TextEncoder


class BadText(ValueError):
    """A text that this encoder refuses; the message is for the client."""


class TritonPythonModel:
    """One instance of the encoder, loaded from its own version folder and warm before Triton calls it ready."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads this version and runs every shape it will serve once."""
        parameters = {
            key: value["string_value"] for key, value in json.loads(args["model_config"])["parameters"].items()
        }
        self.max_text_bytes = int(parameters["MAX_TEXT_BYTES"])
        self.encoder = TextEncoder(
            Path(args["model_repository"]) / args["model_version"],
            runtime=os.environ.get("AKIN_ENCODER_RUNTIME") or parameters["RUNTIME"],
            threads=int(os.environ.get("AKIN_ENCODER_THREADS") or parameters["THREADS"]),
            token_budget=int(parameters["TOKEN_BUDGET"]),
        )
        self.encoder.warm_up()
        pb_utils.Logger.log_info(
            f"text_encoder version {args['model_version']} is warm: {self.encoder.runtime}, "
            f"{self.encoder.threads} threads, digest {self.encoder.digest[:12]}"
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Encodes the texts of all requests together and answers each request with its own rows."""
        responses: list[Any] = [None] * len(requests)
        texts: list[str] = []
        spans: list[tuple[int, int, int]] = []
        for position, request in enumerate(requests):
            if request.is_cancelled():
                responses[position] = failure("the client cancelled this request", pb_utils.TritonError.CANCELLED)
                continue
            try:
                own = self.texts_of(request)
            except BadText as error:
                responses[position] = failure(str(error), pb_utils.TritonError.INVALID_ARG)
                continue
            spans.append((position, len(texts), len(texts) + len(own)))
            texts.extend(own)
        if texts:
            vectors, tokens = self.encoder.encode(texts)
            for position, start, stop in spans:
                responses[position] = self.answer(requests[position], vectors[start:stop], tokens[start:stop])
        return responses

    def texts_of(self, request: Any) -> list[str]:
        """The request's texts.

        Raises:
            BadText: One of them is blank, too long, holds NUL characters or is not UTF-8.
        """
        rows = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1)
        texts = []
        for row, raw in enumerate(rows):
            if len(raw) > self.max_text_bytes:
                raise BadText(
                    f"TEXT row {row} has {len(raw):,} bytes; at most {self.max_text_bytes:,} are read. Send less of it."
                )
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise BadText(f"TEXT row {row} is not valid UTF-8 ({error.reason} at byte {error.start}).") from error
            if "\0" in text:
                raise BadText(f"TEXT row {row} contains NUL characters. Remove them.")
            if not text.strip():
                raise BadText(f"TEXT row {row} is blank: there is nothing to encode.")
            texts.append(text)
        return texts

    def answer(self, request: Any, vectors: np.ndarray, tokens: np.ndarray) -> Any:
        """A response with the outputs that were asked for, and no other."""
        asked = set(request.requested_output_names())
        tensors = []
        if "EMBEDDING" in asked:
            tensors.append(pb_utils.Tensor("EMBEDDING", vectors))
        if "TOKENS" in asked:
            tensors.append(pb_utils.Tensor("TOKENS", tokens.reshape(-1, 1)))
        if "ENCODER" in asked:
            digests = np.full((len(tokens), 1), self.encoder.digest.encode(), dtype=object)
            tensors.append(pb_utils.Tensor("ENCODER", digests))
        return pb_utils.InferenceResponse(output_tensors=tensors)


def failure(message: str, code: int) -> Any:
    """A response that says why one request failed."""
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message, code))
