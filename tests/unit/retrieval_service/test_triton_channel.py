"""Options of the channel to Triton."""

from __future__ import annotations

from typing import Any

import grpc.aio
import pytest
import tritonclient.grpc.aio as client

from akin.stack.tritonserver import PING_INTERVAL_MS
from retrieval_service.adapters.triton_wire import GrpcWire


def options_of(monkeypatch: pytest.MonkeyPatch, connect: Any) -> dict[str, int]:
    """Return the options that a channel is opened with."""
    opened: list[list[tuple[str, int]]] = []

    class Channel:
        def unary_unary(self, *_: Any, **__: Any) -> None: ...

        stream_stream = unary_unary

    def insecure_channel(url: str, options: list[tuple[str, int]]) -> Channel:
        opened.append(options)
        return Channel()

    with monkeypatch.context() as patch:
        patch.setattr(grpc.aio, "insecure_channel", insecure_channel)
        connect()
    (options,) = opened
    return dict(options)


def test_the_channel_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = GrpcWire("127.0.0.1:1")
    ours = options_of(monkeypatch, lambda: wire._client)
    usual = options_of(monkeypatch, lambda: client.InferenceServerClient("127.0.0.1:1"))
    # The options that the client would set itself are all there.
    assert set(usual) <= set(ours)
    assert ours["grpc.keepalive_time_ms"] + ours["grpc.keepalive_timeout_ms"] <= 20_000
    assert ours["grpc.http2.ping_timeout_ms"] == ours["grpc.keepalive_timeout_ms"]
    assert ours["grpc.keepalive_permit_without_calls"] == 1
    assert ours["grpc.http2.max_pings_without_data"] == 0
    # Triton closes a channel that pings more often than this.
    assert ours["grpc.keepalive_time_ms"] > PING_INTERVAL_MS
