"""Triton's side of `text_encoder`: requests in, responses out; the work itself is in `runtime.py` beside this file.

A few texts are a person who waits: the texts of all such requests that Triton gathered are encoded at once, together.
Many texts are bulk work, which `bulk.py` answers in its own time. A text that cannot be encoded fails its own request
only.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from bulk import BulkQueue, EncodeJob
from inner import inner_model
from runtime import TextEncoder

# Threads hand over the interpreter this often, in seconds: a query is not to wait for bulk work's arithmetic in Python.
_SWITCH_INTERVAL = 0.0005
# Whether a request was cancelled is a question to Triton that takes 0.14 ms, in which nothing else goes on. That is
# little beside encoding so many characters; shorter ones are encoded unasked (Triton asks while they are in its queue).
_WORTH_ASKING = 500


class BadText(ValueError):
    """A text that this encoder refuses; the message is for the client."""


class TritonPythonModel:
    """One instance of the encoder, loaded from its own version folder and warm before Triton calls it ready."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads this version and runs every shape it will serve once."""
        # Texts of one batch are tokenised by one thread: two would wait for each other's turn on cores that are busy.
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        self.max_text_bytes = int(parameters["MAX_TEXT_BYTES"])
        self.bulk_from = int(parameters["BULK_FROM_TEXTS"])
        self.encoder = TextEncoder(
            Path(args["model_repository"]) / args["model_version"],
            runtime=os.environ.get("AKIN_ENCODER_RUNTIME") or parameters["RUNTIME"],
            threads=int(os.environ.get("AKIN_ENCODER_THREADS") or parameters["THREADS"]),
            token_budget=int(parameters["TOKEN_BUDGET"]),
            inner=inner_model(args["model_version"]),
        )
        self.digest = self.encoder.digest.encode()
        self.full_batch = config["max_batch_size"]
        sys.setswitchinterval(_SWITCH_INTERVAL)
        # Bulk threads answer people's queries as well, at overload: theirs are made and warm before any is asked.
        twins = [self.encoder.twin() for _ in range(self.encoder.lanes)]
        self.encoder.warm_up(twins)
        self.later = BulkQueue(twins.pop, threads=len(twins), most_bytes=int(parameters["BULK_QUEUE_BYTES"]))
        pb_utils.Logger.log_info(
            f"text_encoder version {args['model_version']} is warm: {self.encoder.runtime}, "
            f"{self.encoder.threads} threads, digest {self.encoder.digest[:12]}"
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers small requests, all together; a request that is answered later has None in its place."""
        responses: list[Any] = [None] * len(requests)
        waiting: list[tuple[int, list[str]]] = []
        for position, request in enumerate(requests):
            try:
                texts = self.texts_of(request)
            except BadText as error:
                responses[position] = failure(str(error), pb_utils.TritonError.INVALID_ARG)
                continue
            if sum(map(len, texts)) >= _WORTH_ASKING and request.is_cancelled():
                responses[position] = failure("the client cancelled this request", pb_utils.TritonError.CANCELLED)
            elif self.is_bulk(request, len(texts)):
                self.later.offer(self.job(request, texts, urgent=False))
            else:
                waiting.append((position, texts))
        if sum(len(texts) for _, texts in waiting) >= self.full_batch:
            # A full batch means that more wait behind it than one batch can take. They are taken out of Triton's queue,
            # which has no bound, into one that has.
            for position, texts in waiting:
                self.later.offer(self.job(requests[position], texts, urgent=True))
        elif waiting:
            self.encode(requests, waiting, responses)
        return responses

    def encode(self, requests: list[Any], waiting: list[tuple[int, list[str]]], responses: list[Any]) -> None:
        """Answers requests together; where that fails, each by itself, so that it fails none but the cause."""
        try:
            vectors, tokens = self.encoder.encode([text for _, texts in waiting for text in texts])
        except Exception as error:
            # Whatever it was, it is for the client to know, and Triton would fail every request of this batch.
            if len(waiting) == 1:
                responses[waiting[0][0]] = failure(f"encoding failed: {error}", pb_utils.TritonError.INTERNAL)
                return
            for one in waiting:
                self.encode(requests, [one], responses)
            return
        start = 0
        for position, texts in waiting:
            rows = slice(start, start := start + len(texts))
            asked = set(requests[position].requested_output_names())
            responses[position] = self.answer(asked, vectors[rows], tokens[rows])

    def finalize(self) -> None:
        """Answers what was taken before the version goes away."""
        self.later.close()

    def is_bulk(self, request: Any, texts: int) -> bool:
        """Whether nobody waits for a request: it says so by its parameter `bulk`, or else has many texts."""
        parameters = request.parameters()
        said = json.loads(parameters).get("bulk") if parameters else None
        return texts >= self.bulk_from if said is None else bool(said)

    def job(self, request: Any, texts: list[str], *, urgent: bool) -> EncodeJob:
        """A request with the way to answer it once Triton has taken the request itself back."""
        asked = set(request.requested_output_names())
        sender = request.get_response_sender()
        last = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL

        def fail(reason: str, again: bool) -> None:
            code = pb_utils.TritonError.UNAVAILABLE if again else pb_utils.TritonError.INTERNAL
            sender.send(failure(reason, code), last)

        def answer(vectors: np.ndarray, tokens: np.ndarray) -> None:
            sender.send(self.answer(asked, vectors, tokens), last)

        waits = request.timeout() / 1e6
        return EncodeJob(texts, answer, fail, sender.is_cancelled, waits or None, urgent)

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

    def answer(self, asked: set[str], vectors: np.ndarray, tokens: np.ndarray) -> Any:
        """A response with the outputs that were asked for, and no other."""
        tensors = []
        if "EMBEDDING" in asked:
            tensors.append(pb_utils.Tensor("EMBEDDING", vectors))
        if "TOKENS" in asked:
            tensors.append(pb_utils.Tensor("TOKENS", tokens.reshape(-1, 1)))
        if "ENCODER" in asked:
            tensors.append(pb_utils.Tensor("ENCODER", np.full((len(tokens), 1), self.digest, dtype=object)))
        return pb_utils.InferenceResponse(output_tensors=tensors)


def failure(message: str, code: int) -> Any:
    """A response that says why one request failed."""
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message, code))
