"""Reading a request's JSON body, with a reason for everything that can be wrong about it."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request

from edge import BodyTooLong, ClientLeft, limited_body
from edge import BodyTooSlow as SlowBody
from retrieval_service.errors import BodyTooLarge, BodyTooSlow, ClientGone, InvalidJson, WrongContentType
from retrieval_service.routes.context import context

# The longest query, every letter escaped as a pair of \uXXXX, is a quarter of it.
_LONGEST_BODY = 1 << 20
_decode = msgspec.json.Decoder().decode


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        WrongContentType: it is declared as something else, or as nothing.
        BodyTooLarge: it is longer than any valid request; the rest of it is not read.
        BodyTooSlow: it does not arrive in time.
        ClientGone: its client hung up.
        InvalidJson: it is no JSON, or no object.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise WrongContentType(
            f"The body must be sent as application/json, not {kind[:60] or 'nothing'}.", {"content_type": kind[:60]}
        )
    body = await _body(request)
    try:
        content = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidJson(f"The body is not JSON: {error}.") from None
    except RecursionError:
        raise InvalidJson("The body is not JSON that can be read: it is nested too deeply.") from None
    if not isinstance(content, dict):
        raise InvalidJson('The body must be a JSON object, such as {"query": "graph neural networks"}.')
    return content


async def _body(request: Request) -> bytes:
    seconds = context(request).body_seconds
    try:
        return await limited_body(request.scope, request.receive, _LONGEST_BODY, seconds)
    except BodyTooLong:
        raise BodyTooLarge(f"The body is longer than {_LONGEST_BODY} bytes.", {"limit": _LONGEST_BODY}) from None
    except ClientLeft:
        raise ClientGone from None
    except SlowBody:
        error = BodyTooSlow(f"The body did not arrive within {seconds:g} s.", {"seconds": seconds})
        context(request).metrics.record_refusal(error)
        raise error from None
