"""Static files of which scripts and style sheets are sent packed with Brotli, as small as it gets."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Final

import brotli
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_PACKED: Final = frozenset({".js", ".css"})


class PackedFiles(StaticFiles):
    """Files of a folder that does not change while the server runs; each is packed at its first use."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, packed if the browser reads Brotli."""
        answer = await super().get_response(path, scope)
        # A file of which the browser has a copy is answered without a body.
        if not isinstance(answer, FileResponse) or Path(path).suffix not in _PACKED:
            return answer
        answer.headers["Vary"] = "Accept-Encoding"
        if "br" not in _encodings(scope):
            return answer
        headers = {name: answer.headers[name] for name in ("etag", "last-modified", "vary")}
        content = await asyncio.to_thread(_pack, str(answer.path))
        return Response(content, headers={**headers, "Content-Encoding": "br"}, media_type=answer.media_type)


def _encodings(scope: Scope) -> set[str]:
    sent = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding").decode("latin-1")
    return {part.partition(";")[0].strip().lower() for part in sent.split(",")}


@cache
def _pack(path: str) -> bytes:
    packed: bytes = brotli.compress(Path(path).read_bytes())
    return packed
