"""Citations of real records, read by programs that others wrote. RECORDS_FILE names a file of arXiv's metadata."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from itertools import islice
from pathlib import Path

import bibtexparser
import pytest

from akin.papers import Paper, read_papers
from akin.papers.citation import CitationFormat, write_citations
from akin.papers.text.mathematics import mathematics

pytestmark = pytest.mark.long
RECORDS = os.environ.get("RECORDS_FILE", "")
_PARSED, _PRINTED = 10_000, 200
_DOCUMENT = r"""
\documentclass{article}
\usepackage{fontspec}
\usepackage[a4paper,margin=2cm]{geometry}
\usepackage{amsmath,amssymb,bm}
\usepackage[STYLE]{biblatex}
\newcommand\mathscr{\mathcal}
\addbibresource{papers.bib}
OWN
\begin{document}\nocite{*}\printbibliography\end{document}
"""


@pytest.fixture(scope="module")
def papers() -> list[Paper]:
    if not RECORDS:
        pytest.skip("RECORDS_FILE names no file of records")
    return list(islice(read_papers(Path(RECORDS)), _PARSED))


def test_bibtex_of_real_records_parses(papers: list[Paper]) -> None:
    library = bibtexparser.parse_string(write_citations(papers, CitationFormat.BIBTEX))
    assert not library.failed_blocks
    assert len({entry.key for entry in library.entries}) == len(papers)
    for entry, paper in zip(library.entries, papers, strict=True):
        assert entry["eprint"] == paper.arxiv_id
        assert entry["title"]


def test_ris_and_csl_json_of_real_records(papers: list[Paper]) -> None:
    lines = write_citations(papers, CitationFormat.RIS).split("\r\n")
    assert all(not line or re.fullmatch("[A-Z][A-Z0-9]  - .*", line) for line in lines)
    assert lines.count("ER  - ") == len(papers)
    items = json.loads(write_citations(papers, CitationFormat.CSL_JSON))
    assert [item.get("number") or item["type"] for item in items]
    assert len({item["id"] for item in items}) == len(papers)


@pytest.mark.skipif(
    not (shutil.which("lualatex") and shutil.which("biber")), reason="lualatex and biber are not installed"
)
@pytest.mark.timeout(600)
def test_a_latex_document_of_real_records_compiles(papers: list[Paper], tmp_path: Path) -> None:
    # The hardest first: TeX, mathematics, other scripts.
    chosen = sorted(papers, key=lambda paper: -len(set(paper.title) - set(map(chr, range(48, 123)))))[:_PRINTED]
    assert sum(bool(mathematics(paper.title)) for paper in chosen) > _PRINTED // 10
    entries = write_citations(chosen, CitationFormat.BIBTEX)
    (tmp_path / "papers.bib").write_text(entries, encoding="utf-8")
    # Some titles use commands that only their authors defined.
    own = "".join(rf"\providecommand\{name}{{\mathrm{{{name}}}}}" for name in {*re.findall(r"\\([A-Za-z]+)", entries)})
    (tmp_path / "papers.tex").write_text(
        _DOCUMENT.replace("STYLE", "maxnames=99").replace("OWN", own), encoding="utf-8"
    )
    for command in (["lualatex", *_HALT], ["biber", "papers"], ["lualatex", *_HALT]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=300)
        assert done.returncode == 0, done.stdout[-3000:]
    assert "WARN" not in (tmp_path / "papers.blg").read_text()
    assert (tmp_path / "papers.bbl").read_text().count("\\entry{") == _PRINTED


_HALT = ("-interaction=nonstopmode", "-halt-on-error", "papers.tex")
