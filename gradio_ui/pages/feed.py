"""Search of an address as an Atom feed: the service writes it, the page puts its own addresses in it."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree

from starlette.requests import Request
from starlette.responses import Response

from gradio_ui.client import AnswerNotUnderstood
from gradio_ui.pages.site import Site
from gradio_ui.state import read_address
from gradio_ui.words import note

_ATOM: Final = "http://www.w3.org/2005/Atom"
_MEDIA_TYPE: Final = "application/atom+xml"

ElementTree.register_namespace("", _ATOM)


async def show(request: Request, site: Site) -> Response:
    """Return the newest results of the search in the address as a feed."""
    state, notes = read_address(request.url.query)
    if not state.has_query:
        return site.error(request, 422, "error.refused", note("ask.hint"))
    if notes:
        # A reader of feeds shows no notes: another search than the one asked for must not look like it.
        return site.error(request, 422, "error.refused", notes[0])
    try:
        feed = ElementTree.fromstring(await site.service.feed(state))
    except ElementTree.ParseError as error:
        raise AnswerNotUnderstood(note("service.other")) from error
    own = f"{request.url.scheme}://{request.url.netloc}{site.root}/"
    links = {link.get("rel"): link for link in feed.findall(f"{{{_ATOM}}}link")}
    if "self" in links:
        links["self"].set("href", f"{own}feed{state.address()}")
    if "alternate" in links:
        links["alternate"].attrib.update(href=f"{own}{state.address()}", type="text/html")
    content: bytes = ElementTree.tostring(feed, "utf-8", xml_declaration=True)
    return Response(content, media_type=_MEDIA_TYPE)
