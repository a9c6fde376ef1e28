"""Ask the running service for a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from akin.errors import SearchFailed

if TYPE_CHECKING:
    import httpx


def ask(url: str, path: str, body: object = None) -> httpx.Response:
    """Return the service's answer to a POST of JSON, or to a GET if there is no body; it may be an error.

    Raises:
        SearchFailed: No service answers.
    """
    import httpx

    from akin.cli.output import read_settings
    from akin.stack import local_http

    key = read_settings().api_headers
    try:
        if body is None:
            return local_http.get(f"{url}{path}", timeout=60, headers=key)
        return local_http.post(f"{url}{path}", body, timeout=60, headers=key)
    except httpx.HTTPError as error:
        raise SearchFailed(f"no service answers at {url} ({error}). Start it with: akin up") from error
