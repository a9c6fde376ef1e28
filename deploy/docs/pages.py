"""Copy the pages of the repository for the site, with links that hold there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

OTHERS: Final = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "python-client.md": "client/README.md",
    "security-policy.md": "SECURITY.md",
    "training-code.md": "training/README.md",
}
"""Pages outside `docs/` that are part of the site, by their place in it."""

_LINK = re.compile(r"(?P<mark>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)")
_CODE = re.compile(r"^(?:    |\t).*$|`[^`\n]+`", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def sources(root: Path) -> dict[str, Path]:
    """Return the place in the site and the file of every page and every file that pages show."""
    docs = root / "docs"
    own = {path.relative_to(docs).as_posix(): path for path in sorted(docs.rglob("*")) if path.is_file()}
    return own | {place: root / name for place, name in OTHERS.items()}


def with_links(text: str, source: str, places: Mapping[str, str], repository: str | None) -> str:
    """Return a page with links to the places of the site; what the site lacks leads to the repository, if it is known.

    Args:
        text: The page.
        source: Its path in the repository.
        places: The place in the site of each file of the repository that is part of it.
        repository: Address of the repository's files, such as `https://github.com/owner/name/blob/main`.
    """
    here = places[source]
    code = [match.span() for pattern in (_FENCE, _CODE) for match in pattern.finditer(text)]

    def rewrite(match: re.Match[str]) -> str:
        target, _, anchor = match["target"].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        if any(start <= match.start() and match.end() <= end for start, end in code):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if path in places:
            link = posixpath.relpath(places[path], posixpath.dirname(here) or ".")
        elif repository:
            link = f"{repository}/{path}"
        else:
            return match["text"]
        return f"{match['mark']}[{match['text']}]({link}{'#' if anchor else ''}{anchor})"

    return _LINK.sub(rewrite, text)


def with_front_matter(text: str) -> str:
    """Return a page with the note that it has diagrams, which decides if their script is loaded."""
    if "```mermaid" not in text:
        return text
    if text.startswith("---\n"):
        return text.replace("---\n", "---\ndiagrams: true\n", 1)
    return f"---\ndiagrams: true\n---\n\n{text}"


def title_of(name: str, text: str) -> str:
    """Return the first heading of a page; fail with the page's name if it has none."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    if not found:
        raise ValueError(f"{name} needs a heading of the first level: it is the page's title")
    return found[1].strip()
