"""Scripts and style sheets of the page, served under names with their digest, which browsers keep."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gradio_ui import katex_files
from gradio_ui.colours import variables

PATH: Final = "/files/{name}"
_HERE: Final = Path(__file__).parent
_KINDS: Final = {".js": "text/javascript", ".css": "text/css"}
_OF_SEARCH: Final = ("words.js", "lists.js", "page.js", "feedback.js", "recent.js", "keys.js", "mathematics.js")
YEAR: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    served_as: str
    kind: str
    content: bytes
    packed: bytes


@cache
def _files() -> dict[str, _File]:
    """Return the files by their own names, and as `search.js` all scripts of the search page.

    Seven answers would have seven times the headers, which is half as much as what is in them.
    """
    found = {
        path.name: path.read_bytes()
        for folder in (_HERE.parent, _HERE)
        for path in sorted(folder.iterdir())
        if path.suffix in _KINDS
    }
    found["plain.css"] = variables().encode() + found["plain.css"]
    of_search = [name for name in _OF_SEARCH if name != "mathematics.js" or katex_files.is_there()]
    found["search.js"] = b"".join(found[name] for name in of_search)
    return {name: _file(Path(name), content) for name, content in found.items()}


def _file(name: Path, content: bytes) -> _File:
    digest = hashlib.sha256(content).hexdigest()[:12]
    # Without the time, so that all processes send the same bytes.
    packed = gzip.compress(content, mtime=0)
    return _File(f"{name.stem}-{digest}{name.suffix}", _KINDS[name.suffix], content, packed)


@cache
def _served() -> dict[str, _File]:
    return {file.served_as: file for file in _files().values()}


def address(name: str) -> str:
    """Return the path of a file, relative to the page's root, such as `files/page-0123456789ab.js`.

    Raises:
        KeyError: There is no such file.
    """
    return f"files/{_files()[name].served_as}"


def is_served(name: str) -> bool:
    """Return True if a file with this name and digest is served."""
    return name in _served()


async def serve(request: Request) -> Response:
    """Return a file; browsers keep it for a year, as another content has another name."""
    file = _served().get(request.path_params["name"])
    if file is None:
        return Response(status_code=404)
    headers = {"Cache-Control": YEAR, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.kind)
    return Response(file.content, headers=headers, media_type=file.kind)
