"""Tag answers, so that a client can ask whether the one that it has still holds, and is told so without a search.

A tag is made before the answer, from everything that the answer depends on: the snapshot, the encoder, the settings,
the code, and the request with its parameters in one order and with their defaults. Timings differ between two answers
of one tag, so tags are weak.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from akin.settings import ServiceSettings
from retrieval_service.corpus.manifest import Manifest

NEVER_STORED = {"Cache-Control": "no-store"}
"""Headers of an answer that holds for a moment only; it gets no tag."""
_BYTES = 18
_PACKAGES = ("retrieval_service", "akin/papers")


def common_seed(settings: ServiceSettings) -> bytes:
    """Return the digest of the code and of the settings that change answers, which all tags of a process share."""
    digest = sha256(repr(settings.of_answers).encode())
    root = Path(__file__).parents[2]
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.digest()


class AnswerTag:
    """Tag of the answer to one request, from each snapshot."""

    def __init__(self, request: Request, seed: bytes, asked: object) -> None:
        """Take a request.

        Args:
            request: The request.
            seed: The digest of `common_seed`.
            asked: The request's parameters; their `repr` contains all of them with their defaults.
        """
        self._seed = seed
        self._asked = f"{request.scope['route'].path} {asked!r}".encode("utf-8", "backslashreplace")
        self._given = ", ".join(request.headers.getlist("if-none-match"))

    def not_modified(self, manifest: Manifest) -> Response | None:
        """Return the answer 304 if the client has the answer from a snapshot; None otherwise."""
        # Tags are compared without their `W/`. They are quoted, and contain no quotes.
        return self._response_304(tag) if (tag := self._tag(manifest)) in self._given else None

    def put_on(self, response: Response, manifest: Manifest) -> Response:
        """Return a response with its tag, or 304 to a client that has any; errors and passing answers have no tag."""
        if response.status_code != 200 or "cache-control" in response.headers:
            return response
        tag = self._tag(manifest)
        if self._given.strip() == "*":
            return self._response_304(tag)
        response.headers.update(_headers(tag))
        return response

    def _tag(self, manifest: Manifest) -> str:
        encoder = manifest.encoder
        made_from = f"{manifest.id} {encoder.version} {encoder.digest} ".encode()
        digest = sha256(self._seed + made_from + self._asked).digest()[:_BYTES]
        return f'"{urlsafe_b64encode(digest).decode()}"'

    def _response_304(self, tag: str) -> Response:
        return Response(status_code=304, headers={**_headers(tag), "Vary": "Accept-Encoding"})


def _headers(tag: str) -> dict[str, str]:
    # Caches may keep an answer, and ask before each use.
    return {"ETag": f"W/{tag}", "Cache-Control": "no-cache"}
