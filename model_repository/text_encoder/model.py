"""Serve `text_encoder` in Triton's Python backend; `runtime.py` beside this file does the encoding.

A request with few texts is a query: all queries that Triton has gathered are encoded together at once. A request with
many texts is bulk work, which `bulk.py` answers later. A text that cannot be encoded only fails its own request.
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
from runtime import INPUT_TYPES, TextEncoder

# How often Python switches between threads, in seconds: short, so that a query does not wait for bulk work in Python.
_SWITCH_INTERVAL = 0.0005
# The check for a cancelled request takes 0.14 ms, during which nothing else runs. Check only for requests with at
# least this many characters, whose encoding takes much longer. (Triton itself checks requests while they are queued.)
_ASK_FROM_CHARACTERS = 500


class BadRequest(ValueError):
    """Request that this encoder refuses; the message is for the client."""


class TritonPythonModel:
    """Instance of the encoder, loaded from its version folder and warm before Triton reports it as ready."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load this version and run every shape once."""
        inner = inner_model(args["model_version"])
        # Tokenise a batch in one thread: on busy cores, several threads only wait for each other. They are idle where
        # another model runs the graph.
        os.environ["TOKENIZERS_PARALLELISM"] = "true" if inner else "false"
        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        self.max_text_bytes = int(parameters["MAX_TEXT_BYTES"])
        self.bulk_from = int(parameters["BULK_FROM_TEXTS"])
        self.encoder = TextEncoder(
            Path(args["model_repository"]) / args["model_version"],
            runtime=os.environ.get("AKIN_ENCODER_RUNTIME") or parameters["RUNTIME"],
            threads=int(os.environ.get("AKIN_ENCODER_THREADS") or parameters["THREADS"]),
            token_budget=int(parameters["TOKEN_BUDGET"]),
            inner=inner,
        )
        self.digest = self.encoder.digest.encode()
        self.full_batch = config["max_batch_size"]
        sys.setswitchinterval(_SWITCH_INTERVAL)
        # Bulk threads also answer queries beyond a full batch, so their encoders must be warm too.
        clones = [self.encoder.clone() for _ in range(self.encoder.groups)]
        self.encoder.warm_up(clones)
        self.later = BulkQueue(clones.pop, threads=len(clones), most_bytes=int(parameters["BULK_QUEUE_BYTES"]))
        pb_utils.Logger.log_info(
            f"text_encoder version {args['model_version']} is warm: {self.encoder.runtime}, "
            f"{self.encoder.threads} threads, digest {self.encoder.digest[:12]}"
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the queries together; a request that is answered later has None as its response."""
        responses: list[Any] = [None] * len(requests)
        waiting: list[tuple[int, list[str]]] = []
        for position, request in enumerate(requests):
            try:
                parameters = json.loads(request.parameters() or "{}")
                # With its prompt a text is like any other, so that queries and passages share batches.
                texts = self.encoder.add_prompt(self.texts_of(request), input_type_of(parameters))
            except BadRequest as error:
                responses[position] = failure(str(error), pb_utils.TritonError.INVALID_ARG)
                continue
            if sum(map(len, texts)) >= _ASK_FROM_CHARACTERS and request.is_cancelled():
                responses[position] = failure("the client cancelled this request", pb_utils.TritonError.CANCELLED)
            elif self.is_bulk(parameters, len(texts)):
                self.later.offer(self.job(request, texts, urgent=False))
            else:
                waiting.append((position, texts))
        if sum(len(texts) for _, texts in waiting) >= self.full_batch:
            # Triton's queue has no limit. Move the queries of a full batch to the queue of `bulk.py`, which has one.
            for position, texts in waiting:
                self.later.offer(self.job(requests[position], texts, urgent=True))
        elif waiting:
            self.encode(requests, waiting, responses)
        return responses

    def encode(self, requests: list[Any], waiting: list[tuple[int, list[str]]], responses: list[Any]) -> None:
        """Answer requests together; if that fails, one by one, so that only the faulty one fails."""
        try:
            vectors, tokens = self.encoder.encode_prompted([text for _, texts in waiting for text in texts])
        except Exception as error:
            # Report any error to its client; if raised here, Triton would fail every request of this batch.
            if len(waiting) == 1:
                responses[waiting[0][0]] = failure(f"encoding failed: {error}", pb_utils.TritonError.INTERNAL)
                return
            for one in waiting:
                self.encode(requests, [one], responses)
            return
        start = 0
        for position, texts in waiting:
            rows = slice(start, start := start + len(texts))
            requested = set(requests[position].requested_output_names())
            responses[position] = self.answer(requested, vectors[rows], tokens[rows])

    def finalize(self) -> None:
        """Answer the queued requests before the version is unloaded."""
        self.later.close()

    def is_bulk(self, parameters: dict[str, Any], texts: int) -> bool:
        """Return True if a request is bulk work: by its parameter `bulk`, else by its number of texts."""
        bulk = parameters.get("bulk")
        return texts >= self.bulk_from if bulk is None else bool(bulk)

    def job(self, request: Any, texts: list[str], *, urgent: bool) -> EncodeJob:
        """Return a job that answers a request after `execute` has returned it to Triton."""
        requested = set(request.requested_output_names())
        sender = request.get_response_sender()
        last = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL

        def fail(reason: str, again: bool) -> None:
            code = pb_utils.TritonError.UNAVAILABLE if again else pb_utils.TritonError.INTERNAL
            sender.send(failure(reason, code), last)

        def answer(vectors: np.ndarray, tokens: np.ndarray) -> None:
            sender.send(self.answer(requested, vectors, tokens), last)

        waits = request.timeout() / 1e6
        return EncodeJob(texts, answer, fail, sender.is_cancelled, waits or None, urgent)

    def texts_of(self, request: Any) -> list[str]:
        """Return the texts of a request.

        Raises:
            BadRequest: A text is blank, too long, contains NUL characters or is not UTF-8.
        """
        rows = pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy().reshape(-1)
        texts = []
        for row, raw in enumerate(rows):
            if len(raw) > self.max_text_bytes:
                raise BadRequest(
                    f"TEXT row {row} has {len(raw):,} bytes; at most {self.max_text_bytes:,} are read. Send less of it."
                )
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise BadRequest(
                    f"TEXT row {row} is not valid UTF-8 ({error.reason} at byte {error.start})."
                ) from error
            if "\0" in text:
                raise BadRequest(f"TEXT row {row} contains NUL characters. Remove them.")
            if not text.strip():
                raise BadRequest(f"TEXT row {row} is blank: there is nothing to encode.")
            texts.append(text)
        return texts

    def answer(self, requested: set[str], vectors: np.ndarray, tokens: np.ndarray) -> Any:
        """Return a response with the requested outputs only."""
        tensors = []
        if "EMBEDDING" in requested:
            tensors.append(pb_utils.Tensor("EMBEDDING", vectors))
        if "TOKENS" in requested:
            tensors.append(pb_utils.Tensor("TOKENS", tokens.reshape(-1, 1)))
        if "ENCODER" in requested:
            tensors.append(pb_utils.Tensor("ENCODER", np.full((len(tokens), 1), self.digest, dtype=object)))
        return pb_utils.InferenceResponse(output_tensors=tensors)


def input_type_of(parameters: dict[str, Any]) -> str:
    """Return the role of a request's texts in a search: its parameter `input_type`, by default `query`.

    Raises:
        BadRequest: The parameter has another value.
    """
    given = parameters.get("input_type", INPUT_TYPES[0])
    if given not in INPUT_TYPES:
        raise BadRequest(
            f"the parameter input_type is {str(given)[:40]!r}; it must be {' or '.join(map(repr, INPUT_TYPES))}."
        )
    return str(given)


def failure(message: str, code: int) -> Any:
    """Return a response with the error of one request."""
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message, code))
