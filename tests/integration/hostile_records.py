"""Records that a stranger wrote to attack whoever reads them: a browser, a terminal, a spreadsheet, LaTeX, a program.

Each text has the word `MARK`, so that tests see that it is shown, and calls `pwned(…)`, so that they see if it runs.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from akin.indexing.corpus_map.build import build_map
from akin.papers import Paper, read_papers
from tests.integration.generated import HashEncoder, build

MARK = "Marked"
FOREIGN = "https://evil.test"

TEXTS: dict[str, str] = {
    # HTML
    "script": "<script>pwned('script')</script>",
    "end-of-script": "</script><script>pwned('end of script')</script>",
    "end-of-title": "</title><script>pwned('end of title')</script>",
    "end-of-text": "</textarea></pre></style><script>pwned('end of text')</script>",
    "image": f"<img src={FOREIGN}/x.png onerror=pwned('image')>",
    "svg": "<svg onload=pwned('svg')><animate onbegin=pwned('animate') attributeName=x dur=1s></svg>",
    "details": "<details open ontoggle=pwned('details')>x</details>",
    "frame": f"<iframe srcdoc=\"<script>parent.pwned('frame')</script>\" src={FOREIGN}></iframe>",
    "base": f"<base href={FOREIGN}/><meta http-equiv=refresh content='0;url={FOREIGN}'>",
    "form": f"<form action={FOREIGN}><input autofocus onfocus=pwned('focus')><button>Search</button></form>",
    "style": f"<style>*{{display:none}}@import url({FOREIGN}/x.css)</style><link rel=stylesheet href={FOREIGN}/y.css>",
    "nested": "<math><mtext><table><mglyph><style><!--</style><img title=\"--><img src=x onerror=pwned('nested')>\">",
    "comment": "<!--><script>pwned('comment')</script>-->",
    "entities": "&lt;script&gt;pwned('entities')&lt;/script&gt; &#60;img src=x onerror=pwned('numbers')&#62;",
    "double-quote": "\" onmouseover=\"pwned('double')\" autofocus onfocus=\"pwned('quote')\" x=\"",
    "single-quote": "' onmouseover='pwned(1)' autofocus onfocus='pwned(2)' style='position:fixed;inset:0' x='",
    "in-script": "\";pwned('json')//\\\";pwned('json')//\u2028pwned('line')\u2029</script>",
    # Other languages
    "markdown": f"[x](javascript:pwned('markdown')) ![y]({FOREIGN}/y.png) <javascript:pwned('auto')> `</code>`",
    "templates": "{{constructor.constructor('pwned(1)')()}} ${pwned(2)} {% include '/etc/passwd' %} <%= 7*7 %> #{7*7}",
    "formula-of-cells": "=HYPERLINK(\"https://evil.test\",\"x\")+cmd|' /C calc'!A0",
    "latex-input": r"\input{/etc/passwd} \write18{touch pwned} \immediate\write18{id} \csname end\endcsname",
    "bibtex": 'x}, url = {javascript:pwned(1)}\n@misc{other, title = {Injected}} % "',
    "ris": "x\r\nER  - \r\nTY  - JOUR\r\nTI  - Injected",
    "log": "x\nERROR [pwned] injected line\r\n127.0.0.1 GET /admin",
    "rich": "[bold red]x[/] [link=https://evil.test]y[/link] [/] [@click=pwned]z[/]",
    # Letters
    "bidirectional": "\u202egnp.exe\u202c \u2066\u2067\u2068 safe \u2069 \u200f\u061c\u200e",
    "controls": "a\x00b\x07c\x08d\x0be\x0cf\x1bg\x7fh\x85i\x9bj",
    "terminal": "\x1b[31mred\x1b[2J\x1b]0;title\x07\x1b]8;;https://evil.test\x1b\\link\x1b]8;;\x1b\\ \x9b2J\x90q\x9c",
    "marks": "Z" + "\u0300\u0316\u0345\u0489" * 400,
    "invisible": "\u200b\u200c\u200d\u2060\ufeff\u00ad\U000e0041\U000e0042" * 20,
    "noncharacters": "\ufdd0\ufdd4\ufffe\U0001ffff",
    "one-word": "W" * 3_000,
    "lines": "a\n" * 500,
    # Mathematics
    "tex-recursion": r"$\def\a{\a\a}\a$ $\gdef\sum{\text{pwned}}\newcommand\x{\x\x}\x$ $\sum$",
    "tex-sizes": r"$\rule{9999em}{9999em}$ $\raisebox{999em}{x}$ $\hspace{-9999em}y$ $\kern9999em z$ $\Huge\Huge x$",
    "tex-links": r"$\href{javascript:pwned('href')}{x}$ $\url{javascript:pwned('url')}$ \href{javascript:pwned()}{y}",
    "tex-images": r"$\includegraphics[width=99em]{https://evil.test/x.png}$",
    "tex-html": r"$\htmlData{a=b}{x}$ $\htmlStyle{position:fixed}{y}$ $\htmlClass{akin-hidden}{z} \htmlId{akin-q}{w}$",
    "tex-colour": r"$\color{red;background:url(https://evil.test)}x$ $\textcolor{url(https://evil.test)}{y}$",
    "tex-nested": "$" + "{" * 480 + "x" + "}" * 480 + "$ $" + r"\frac{1}{" * 90 + "x" + "}" * 90 + "$",
    "tex-tall": "$" + "^{2" * 150 + "}" * 150 + r"$ $\begin{matrix}" + r"1\\" * 180 + r"\end{matrix}$",
    "tex-text": r"$\text{<script>pwned('text')</script>}$ $\mathrm{<img src=x onerror=pwned(1)>}$",
}  # fmt: skip
IDS: tuple[str, ...] = (
    "\"><script>pwned('id')</script>", "' onmouseover='pwned(1)", "javascript:pwned('id')", "../../../etc/passwd",
    "..%2f..%2fcorpus", "a b?c#d&e=f", "//evil.test/x", "{{7*7}}", "=1+1", "x/similar", "C:\\con",
    "%00", "@misc{x", "$\\href{javascript:pwned()}{x}$",
)  # fmt: skip
"""Ids of papers: any text that can be shown may be one."""
UNPRINTABLE_IDS = ("\u202etxt.exe", "a\x1b[31mb", "a\nb", "a\x00b", "\x9b2J", "a\u2028b")


def records() -> list[dict[str, object]]:
    """Return records whose every field attacks."""
    found: list[dict[str, object]] = []
    for number, (name, text) in enumerate(TEXTS.items()):
        record: dict[str, object] = {
            "id": f"2401.{number:05d}",
            "title": f"{MARK} {name} {text}",
            "abstract": f"{MARK} abstract. {text}",
        }
        record |= {"authors": [f"Ada {text[:300]}", text[:300], "Eve Mallory"], "categories": ["cs.CR", text[:40]]}
        record |= {"abstract": f"{MARK} abstract. {text}", "published": "2024-01-02", "comments": text[:500]}
        record |= {"journal_ref": f"J. Malice 1 (2024) {text[:200]}", "doi": f"10.5555/{text[:80]}"}
        found.append(record)
    for number, name in enumerate((*IDS, *UNPRINTABLE_IDS)):
        found.append({"id": name, "title": f"{MARK} id {number}", "abstract": name})
    return found


def write_hostile_records(path: Path) -> Path:
    """Write the records as JSON lines; return the file's path."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records()))
    return path


class Hostile:
    """Snapshot of the records, with a map.

    Attributes:
        papers: What the reader made of the records.
        rejected: Numbers of rejected records by their reason.
        encoder: The encoder of the snapshot.
        data: The data folder.
    """

    def __init__(self, folder: Path) -> None:
        """Write the records to a file in a folder, read them and build the snapshot."""
        with read_papers(write_hostile_records(folder / "papers.jsonl")) as reader:
            self.papers: list[Paper] = list(reader)
            self.rejected = dict(reader.report.rejected)
        self.encoder, self.data = HashEncoder(), folder / "data"
        # In a thread: where a browser is open, this one has a running event loop.
        with ThreadPoolExecutor(1) as aside:
            aside.submit(build, self.papers, self.encoder, self.data).result()
        build_map(self.data, None)
