"""HTML that all plain pages share: the head, the masthead and the landmarks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from gradio_ui import katex_files
from gradio_ui.pages import files
from gradio_ui.pages.visit import Visit
from gradio_ui.words import LANGUAGES

NAVIGATION: Final[tuple[tuple[str, str], ...]] = (
    ("", "navigation.search"),
    ("list", "navigation.list"),
    ("map", "navigation.map"),
)
"""Paths that the masthead links to, and the keys of their names."""


def document(
    title: str, body: str, *, visit: Visit, scripts: Iterable[str] = (), styles: Iterable[str] = (), here: str = "-"
) -> str:
    """Return a whole page in the look of the search page.

    Args:
        title: The page's title as plain text; the browser's tab shows it before the name of the site.
        body: HTML of the content, which starts with an `<h1>` and has escaped all that comes from outside.
        visit: The reader's language, and the root of links.
        scripts: Names of scripts in `gradio_ui/` or `gradio_ui/pages/`; they run in this order when all is read.
        styles: Names of style sheets there.
        here: The page's own path in `NAVIGATION`, if it has one.
    """
    own = ["words.js", "lists.js", "keys.js", *(["mathematics.js"] if katex_files.is_there() else []), *scripts]
    address = [escape(f"{visit.root}/{files.address(name)}") for name in ("page.css", "plain.css", *styles)]
    sheets = "".join(f'<link rel="stylesheet" href="{each}">' for each in address)
    code = "".join(f'<script defer src="{escape(f"{visit.root}/{files.address(name)}")}"></script>' for name in own)
    return (
        f'<!doctype html><html lang="{visit.language}" data-akin-root="{escape(visit.root)}/"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="same-origin"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} – Akin</title>"
        f'<link rel="icon" href="{escape(visit.root)}/favicon.ico">{sheets}'
        f'<script type="application/json" id="akin-words">{visit.words.script()}</script>{code}</head>'
        f'<body class="akin-plain"><a class="akin-skip" href="#akin-main">{escape(visit.words("masthead.skip"))}</a>'
        f'<header class="akin-masthead"><p class="akin-name"><a href="{escape(visit.link(""))}">Akin</a></p>'
        f"{navigation(visit, here)}</header>"
        f'<main id="akin-main" tabindex="-1">{body}</main></body></html>'
    )


def language_field(visit: Visit) -> str:
    """Return the field with which a form keeps the language that the address asks for; empty if it asks for none."""
    return f'<input type="hidden" name="lang" value="{visit.language}">' if visit.asked else ""


def navigation(visit: Visit, here: str = "") -> str:
    """Return the links to the pages that readers look for, and to this page in the other languages.

    Args:
        visit: The reader's language, and the root of links.
        here: The path of the page in `NAVIGATION`.
    """
    text = visit.words
    links = "".join(
        f'<a href="{escape(visit.link(path))}"{_current(path == here)}>{escape(text(key))}</a>'
        for path, key in NAVIGATION
    )
    others = "".join(
        f'<a href="?lang={code}" hreflang="{code}" lang="{code}" data-akin-language>{name}</a>'
        for code, name in LANGUAGES.items()
        if code != visit.language
    )
    label, keys = escape(text("navigation.label")), escape(text("navigation.keys"))
    button = f'<button type="button" class="akin-keys-button" data-akin-keys>{keys}</button>'
    return f'<nav class="akin-navigation" aria-label="{label}">{links}{others}{button}</nav>'


def _current(is_here: bool) -> str:
    return ' aria-current="page"' if is_here else ""
