"""Serve `reranker` in Triton's Python backend; `pairs.py` beside this file does the scoring."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from pairs import PairScorer


class BadText(ValueError):
    """Text that this model refuses; the message is for the client."""


class TritonPythonModel:
    """Instance of the reranker, loaded from its version folder and warm before Triton reports it as ready."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load this version and run every shape once."""
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        self.max_text_bytes = int(parameters["MAX_TEXT_BYTES"])
        self.scorer = PairScorer(
            Path(args["model_repository"]) / args["model_version"],
            runtime=os.environ.get("AKIN_ENCODER_RUNTIME") or parameters["RUNTIME"],
            threads=int(os.environ.get("AKIN_ENCODER_THREADS") or parameters["THREADS"]),
            token_budget=int(parameters["TOKEN_BUDGET"]),
        )
        self.scorer.warm_up()
        pb_utils.Logger.log_info(
            f"reranker version {args['model_version']} is warm: {self.scorer.runtime}, digest {self.scorer.digest[:12]}"
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer requests one after another; one that cannot be scored only fails itself."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Any) -> Any:
        """Return the scores of one request, or its error."""
        if request.is_cancelled():
            return failure("the client cancelled this request", pb_utils.TritonError.CANCELLED)
        try:
            queries, texts = self.texts_of(request, "QUERY"), self.texts_of(request, "TEXT")
            scores = self.scorer.score(list(zip(queries, texts, strict=True)))
        except BadText as error:
            return failure(str(error), pb_utils.TritonError.INVALID_ARG)
        except Exception as error:
            # Report any error to its client; if raised here, Triton would fail every request of this call.
            return failure(f"scoring failed: {error}", pb_utils.TritonError.INTERNAL)
        return pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("SCORE", scores.reshape(-1, 1))])

    def texts_of(self, request: Any, name: str) -> list[str]:
        """Return the texts of an input.

        Raises:
            BadText: A text is blank, too long, contains NUL characters or is not UTF-8.
        """
        texts = []
        for row, raw in enumerate(pb_utils.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)):
            if len(raw) > self.max_text_bytes:
                raise BadText(
                    f"{name} row {row} has {len(raw):,} bytes; at most {self.max_text_bytes:,} are read. Send less."
                )
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise BadText(f"{name} row {row} is not valid UTF-8 ({error.reason} at byte {error.start}).") from error
            if "\0" in text:
                raise BadText(f"{name} row {row} contains NUL characters. Remove them.")
            if not text.strip():
                raise BadText(f"{name} row {row} is blank: there is nothing to score.")
            texts.append(text)
        return texts


def failure(message: str, code: int) -> Any:
    """Return a response with the error of one request."""
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message, code))
