"""Write a digest as plain text, Markdown or HTML."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from html import escape
from textwrap import indent
from typing import Any

from akin.digest.collect import Digest, Section

_AUTHORS = 5
_SHAPING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # they would turn round the text behind them
_MARKS = re.compile(r"([\\`*_\[\]<>#|~$&!])")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "p{margin:.2rem 0}li{margin:.8rem 0}.facts{opacity:.75}"
)


def plain_text(digest: Digest, abstracts: bool) -> str:
    """Return the digest as plain text."""
    parts = [_headline(digest)]
    for section in digest.sections:
        title = _line(section.name)
        parts.append(f"{title}\n{'=' * min(len(title), 72)}")
        parts += [f"({note})" for note in _remarks(section)]
        for number, paper in enumerate(section.papers, 1):
            lines = [f"{number}. {_title(paper)}", f"   {_facts(paper)}", f"   {address(paper)}"]
            if abstracts and paper["abstract"]:
                lines.append(indent(_line(paper["abstract"]), "   "))
            parts.append("\n".join(line.rstrip() for line in lines if line.strip()))
    return "\n\n".join([*parts, _ending(digest)]) + "\n"


def markdown(digest: Digest, abstracts: bool) -> str:
    """Return the digest as Markdown."""

    def text(words: str) -> str:
        return _MARKS.sub(r"\\\1", _line(words))

    parts = [f"# {text(_headline(digest))}"]
    for section in digest.sections:
        parts.append(f"## {text(section.name)}")
        parts += [f"*{text(note)}*" for note in _remarks(section)]
        for number, paper in enumerate(section.papers, 1):
            link = address(paper)
            title = f"[{text(_title(paper))}]({_in_brackets(link)})" if link else text(_title(paper))
            lines = [f"{number}. **{title}**", text(_facts(paper))]
            if abstracts and paper["abstract"]:
                lines += ["", text(paper["abstract"])]
            parts.append(f"{lines[0]}\\\n" + indent("\n".join(lines[1:]), " " * (len(str(number)) + 2)))
    return "\n\n".join([*parts, text(_ending(digest))]) + "\n"


def html(digest: Digest, abstracts: bool) -> str:
    """Return the digest as a page of HTML, which a mail can contain; it loads nothing."""

    def text(words: str) -> str:
        return escape(_line(words))

    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{text(_headline(digest))}</title><style>{_STYLE}</style><main><h1>{text(_headline(digest))}</h1>",
    ]
    for section in digest.sections:
        parts.append(f"<section><h2>{text(section.name)}</h2>")
        parts += [f"<p><em>{text(note)}</em></p>" for note in _remarks(section)]
        parts += ["<ol>", *(_item(paper, abstracts, text) for paper in section.papers), "</ol></section>"]
    return "\n".join([*parts, f"<p>{text(_ending(digest))}</p></main></html>"]) + "\n"


FORMATS: dict[str, Callable[[Digest, bool], str]] = {"text": plain_text, "markdown": markdown, "html": html}
"""The formats, by their names."""


def address(paper: Mapping[str, Any]) -> str:
    """Return the address of a paper; empty if it has none that a browser could open."""
    link = str(paper["links"].get("abs") or paper["links"].get("doi") or paper["links"].get("url") or "")
    return link if link.startswith(("https://", "http://")) else ""


def _item(paper: Mapping[str, Any], abstracts: bool, text: Callable[[str], str]) -> str:
    link = address(paper)
    title = f'<a href="{escape(link)}">{text(_title(paper))}</a>' if link else text(_title(paper))
    abstract = f"<p>{text(paper['abstract'])}</p>" if abstracts and paper["abstract"] else ""
    return f'<li><p><strong>{title}</strong></p><p class="facts">{text(_facts(paper))}</p>{abstract}</li>'


def _headline(digest: Digest) -> str:
    papers = {0: "No new papers", 1: "1 new paper"}.get(digest.count, f"{digest.count} new papers")
    return f"{papers} since {digest.since}"


def _ending(digest: Digest) -> str:
    if digest.newest is None:
        return "No paper of the corpus has a date."
    return f"The newest paper of the corpus is of {digest.newest}."


def _remarks(section: Section) -> list[str]:
    remarks = list(section.notes)
    if section.repeated:
        remarks.append(f"{section.repeated} more above, under another search")
    if not section.papers and not section.repeated:
        remarks.append("nothing new")
    return [_line(remark) for remark in remarks]


def _title(paper: Mapping[str, Any]) -> str:
    return _line(paper["title"] or paper["id"]) + " (withdrawn)" * bool(paper.get("withdrawn"))


def _facts(paper: Mapping[str, Any]) -> str:
    names, count = paper["authors"][:_AUTHORS], paper["author_count"]
    people = ", ".join(names) + (f" and {count - len(names)} more" if count > len(names) else "")
    return " · ".join(_line(part) for part in (people, paper["date"], ", ".join(paper["categories"])) if part)


def _line(text: str) -> str:
    """Return a text on one line, without signs that steer a terminal or turn round what follows."""
    printable = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs") else sign for sign in text)
    return " ".join(_SHAPING.sub("", printable).split())


def _in_brackets(link: str) -> str:
    for sign in "<>() \\":
        link = link.replace(sign, f"%{ord(sign):02X}")
    return link
