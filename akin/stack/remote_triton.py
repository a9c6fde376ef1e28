"""Wait for a Triton that another process started, for example in another container."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from akin.errors import EncoderError, StackError
from akin.registry.versions import Version
from akin.stack.wait import wait_for
from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.errors import EncoderMismatch, EncoderUnavailable


def await_encoder(url: str, version: Version, seconds: float, say: Callable[[str], None]) -> None:
    """Wait until a Triton serves a version of the encoder.

    Args:
        url: `grpc://host:port` or `http://host:port`.
        version: The version.
        seconds: The longest wait.
        say: Prints a line about the wait.

    Raises:
        StackError: Triton did not answer in time, or does not serve that version.
        EncoderError: Triton serves another encoder under that number.
    """

    async def find() -> None:
        triton = TritonConnection(url, version=version.number)
        try:
            await triton.find(version.digest)
        finally:
            await triton.close()

    def look() -> None:
        try:
            asyncio.run(find())
        except EncoderUnavailable as error:
            raise StackError(str(error)) from error

    try:
        wait_for("Triton", look, seconds, say)
    except EncoderMismatch as error:
        raise EncoderError(f"{error.message} Start it with this model repository (AKIN_MODEL_REPOSITORY).") from error
