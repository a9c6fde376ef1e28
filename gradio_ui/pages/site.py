"""Plain pages as routes of the page's server: what passes the gate, and what readers see instead of an error."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import compile_path
from starlette.types import Scope

from akin.edge import BodyTooLong, SlowBody, TooManyBodies, error_body, limited_body
from gradio_ui.client import NothingIndexed, RequestFailed, RequestRefused, SearchService
from gradio_ui.pages import files
from gradio_ui.pages.document import document
from gradio_ui.pages.visit import Visit, visit_of
from gradio_ui.words import Note, note, written, written_html

_log = logging.getLogger(__name__)
_LONGEST_PATH: Final = 600
_SECONDS_TO_SEND: Final = 10.0
_SECONDS_TO_RETRY: Final = "5"
# The page's own files only, and no script within the HTML; the server's policy holds as well.
_POLICY: Final = "script-src 'self'"

Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One address of a plain page.

    Attributes:
        path: The path as Starlette reads it, such as `/paper/{paper_id:path}`.
        handler: Answers `(request, site)`, or `(request, site, body)` if the route has a body.
        body: The form of the JSON body, which makes the route a POST; None for a GET.
        longest_body: The most bytes of the body.
    """

    path: str
    handler: Handler
    body: type[BaseModel] | None = None
    longest_body: int = 64 * 1024

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the route answers."""
        return ("POST",) if self.body else ("GET", "HEAD")


class Site:
    """Plain pages of one server."""

    def __init__(self, service: SearchService, routes: Sequence[Route], root: str = "") -> None:
        """Take the service that the pages ask, the routes, and the path under which a proxy publishes them."""
        self.service = service
        self.root = root
        self._own = routes
        self._allowed = [(compile_path(route.path)[0], route.methods) for route in routes]

    def routes(self) -> list[StarletteRoute]:
        """Return the routes for the server."""
        own = [StarletteRoute(each.path, self._endpoint(each), methods=list(each.methods)) for each in self._own]
        return [StarletteRoute(files.PATH, files.serve, methods=["GET", "HEAD"]), *own]

    def methods(self, path: str) -> tuple[str, ...] | None:
        """Return the methods that a path answers; None if no page has it."""
        if len(path) > _LONGEST_PATH or not path.isprintable():
            return None
        if path.startswith("/files/"):
            return ("GET", "HEAD") if files.is_served(path.removeprefix("/files/")) else None
        found = [method for pattern, methods in self._allowed if pattern.match(path) for method in methods]
        return tuple(found) or None

    def visit(self, request: Request) -> Visit:
        """Return the language and the links for a request."""
        return visit_of(request, self.root)

    def page(
        self,
        request: Request,
        title: str,
        body: str,
        *,
        scripts: Iterable[str] = (),
        styles: Iterable[str] = (),
        here: str = "-",
        status: int = 200,
    ) -> Response:
        """Return a page as an answer; the arguments are those of `document`."""
        text = document(title, body, visit=self.visit(request), scripts=scripts, styles=styles, here=here)
        return HTMLResponse(text, status, headers={"Content-Security-Policy": _POLICY, "Vary": "Accept-Language"})

    def error(self, request: Request, status: int, title: str, message: Note | str = "", advice: str = "") -> Response:
        """Return a page about an error, with the next step; `title` and `advice` are keys of words."""
        visit = self.visit(request)
        text = visit.words
        body = (
            f'<section class="akin-problem"><h1>{escape(text(title))}</h1>'
            + (f"<p>{written_html(message, text)}</p>" if message else "")
            + (f"<p>{text.html(advice)}</p>" if advice else "")
            + f'<p><a href="{escape(visit.link(""))}">{escape(text("error.search"))}</a></p></section>'
        )
        return self.page(request, text(title), body, status=status)

    def not_found(self, scope: Scope) -> Response:
        """Return the page for an address that does not exist."""
        return self.error(Request(scope), 404, "error.not_found", advice="error.not_found_advice")

    def failed(self, request: Request, error: RequestFailed) -> Response:
        """Return the page, or for a POST the JSON, about a request that the service did not fulfil."""
        is_refused = isinstance(error, RequestRefused)
        if not is_refused:
            _log.warning("no answer from %s: %s (%s)", self.service.url, error, error.__cause__)
        if request.method == "POST":
            code = error.code if isinstance(error, RequestRefused) else "unavailable"
            body = error_body(code, written(error.said, self.visit(request).words))
            return JSONResponse(body, 422 if is_refused else 503)
        if isinstance(error, RequestRefused):
            status = 404 if error.code.startswith("unknown") else 422
            title = "error.not_found" if status == 404 else "error.refused"
            return self.error(request, status, title, error.said, "error.not_found_advice")
        kind = "empty" if isinstance(error, NothingIndexed) else "away"
        answer = self.error(request, 503, f"error.{kind}", error.said, f"error.{kind}_advice")
        answer.headers["Retry-After"] = _SECONDS_TO_RETRY
        return answer

    def _endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                if route.body is None:
                    return await route.handler(request, self)
                return await route.handler(request, self, await _read(request, route.body, route.longest_body))
            except _Refused as refusal:
                message = written(refusal.said, self.visit(request).words)
                return JSONResponse(error_body(refusal.code, message), refusal.status_code)
            except RequestFailed as error:
                return self.failed(request, error)

        return endpoint


class _Refused(HTTPException):
    """Body of a POST that is not read."""

    def __init__(self, status: int, code: str, said: Note | str) -> None:
        super().__init__(status)
        self.code = code
        self.said = said


async def _read(request: Request, form: type[BaseModel], longest: int) -> Any:
    if not _is_own(request):
        raise _Refused(403, "other_site", note("post.other_site"))
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _Refused(415, "unsupported_media_type", note("post.media_type"))
    try:
        content = await limited_body(request.scope, request.receive, longest, _SECONDS_TO_SEND)
        return form.model_validate_json(content)
    except BodyTooLong:
        raise _Refused(413, "body_too_large", note("post.too_large", kib=longest // 1024)) from None
    except SlowBody:
        raise _Refused(408, "body_too_slow", note("post.too_slow")) from None
    except TooManyBodies:
        raise _Refused(503, "queue_full", note("gate.queue_full")) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise _Refused(422, "invalid_request", f"{place}: {first['msg']}") from None


def _is_own(request: Request) -> bool:
    """Return True unless a browser says that another site's script sends the request."""
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    except ValueError:
        return False
