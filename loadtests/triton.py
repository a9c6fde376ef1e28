"""Triton's model `text_encoder` as a raw gRPC client calls it, with nothing of the service between."""

from __future__ import annotations

import struct
from typing import Any

import grpc
import grpc.experimental.gevent
from tritonclient.grpc import service_pb2, service_pb2_grpc

# Without this a call would stop every other user until its answer came.
grpc.experimental.gevent.init_gevent()

_MODEL = "text_encoder"
_SECONDS = 15.0


class EmbeddingFailed(Exception):
    """Triton gave no vector; the message is its status."""


class EncoderChannel:
    """One client's channel to Triton."""

    def __init__(self, address: str, version: int) -> None:
        """Opens a channel to host:port, for one version of the encoder."""
        # A channel of its own for each user: gRPC would share one connection among equal channels.
        # And never through a proxy, which is meant for the outside world.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(address, options)
        self._infer: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel).ModelInfer
        self._version = str(version)

    def embed(self, text: str) -> int:
        """Embeds one text and returns how many numbers its vector has.

        Raises:
            EmbeddingFailed: Triton is away, too slow, full, or refuses the text.
        """
        written = text.encode()
        request = service_pb2.ModelInferRequest(model_name=_MODEL, model_version=self._version)
        request.inputs.add(name="TEXT", datatype="BYTES", shape=[1, 1])
        request.outputs.add(name="EMBEDDING")
        # A tensor of BYTES is each element's length (32 bits, little-endian) and then the element.
        request.raw_input_contents.append(struct.pack("<I", len(written)) + written)
        try:
            answer = self._infer(request, timeout=_SECONDS)
        except grpc.RpcError as error:
            raise EmbeddingFailed(f"{error.code().name}: {error.details()}") from error
        numbers = len(answer.raw_output_contents[0]) // 4
        if not numbers:
            raise EmbeddingFailed("an empty vector")
        return numbers

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()
