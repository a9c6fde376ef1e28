"""Cursors: opaque texts that stand for the place in a ranking where the next page begins.

A cursor holds for one request, apart from the length of its pages and what is said beside the results, and for one
snapshot, searched by one version of the code with one set of settings. With any other, the ranking may be another one,
and a page of it could repeat papers or lose some.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import fields, replace
from hashlib import sha256
from operator import attrgetter

from retrieval_service.errors import CursorExpired, InvalidParameter
from retrieval_service.ports import DEPTHS
from retrieval_service.search.request import BESIDE_RESULTS, SearchRequest

_LENGTH = 32  # characters: 24 bytes
_LAST = 2 * DEPTHS[-1]
"""The most results of a ranking: those of both halves."""
_ranked_by = attrgetter(
    *(each.name for each in fields(SearchRequest) if each.name not in {"k", "offset", "cursor", *BESIDE_RESULTS})
)


def write_cursor(request: SearchRequest, corpus: bytes, offset: int) -> str:
    """Return the cursor of the page from an offset on.

    Args:
        request: The request.
        corpus: Identifies the snapshot, and everything else that rankings depend on.
        offset: Number of results before the page.
    """
    return urlsafe_b64encode(offset.to_bytes(4) + _digest(corpus) + _of_request(request)).decode()


def at_cursor(request: SearchRequest, corpus: bytes) -> SearchRequest:
    """Return a request with the offset of its cursor; without a cursor, the request itself.

    Raises:
        CursorExpired: The cursor is of another snapshot, or of other settings.
        InvalidParameter: The cursor is of another request, or is none.
    """
    if request.cursor is None:
        return request
    try:
        read = urlsafe_b64decode(request.cursor) if len(request.cursor) == _LENGTH else b""
    except (Error, ValueError):
        read = b""
    offset = int.from_bytes(read[:4])
    if not read or offset > _LAST:
        raise InvalidParameter(
            "cursor is none of this service. Send next_cursor of an answer, unchanged.", {"parameter": "cursor"}
        )
    if read[4:14] != _digest(corpus):
        raise CursorExpired(
            "The corpus was changed since the answer that the cursor is from. Begin again without a cursor.",
            {"parameter": "cursor"},
        )
    if read[14:] != _of_request(request):
        raise InvalidParameter(
            "cursor is of another request. Send it with the same parameters; only k, highlight, nearest_sentences, "
            "facets, suggest, chase and feedback may differ.",
            {"parameter": "cursor"},
        )
    return replace(request, offset=offset)


def _of_request(request: SearchRequest) -> bytes:
    # Not of the request itself: the representation of a class takes a tenth of the time of a lexical search.
    return _digest(repr(_ranked_by(request)).encode("utf-8", "backslashreplace"))


def _digest(content: bytes) -> bytes:
    return sha256(content).digest()[:10]
