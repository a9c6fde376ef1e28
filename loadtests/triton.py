"""Call Triton's model `text_encoder` directly by gRPC, without the service."""

from __future__ import annotations

import struct
from typing import Any

import grpc
import grpc.experimental.gevent
from tritonclient.grpc import service_pb2, service_pb2_grpc

# Without this, a call blocks all other users until its answer arrives.
grpc.experimental.gevent.init_gevent()

_MODEL = "text_encoder"
_SECONDS = 15.0


class EmbeddingFailed(Exception):
    """Triton returned no vector; the message has its status."""


class EncoderChannel:
    """Channel of one client to Triton."""

    def __init__(self, address: str, version: int) -> None:
        """Open a channel to host:port, for one version of the encoder."""
        # By default, gRPC shares one connection among equal channels, and uses the proxy of the environment.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(address, options)
        self._infer: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel).ModelInfer
        self._version = str(version)

    def embed(self, text: str) -> int:
        """Embed one text and return the number of dimensions of its vector.

        Raises:
            EmbeddingFailed: Triton does not answer in time, is full, or refuses the text.
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
        """Close the channel."""
        self._channel.close()
