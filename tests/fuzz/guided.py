"""Look for failures with inputs that reach new branches of the code, by atheris, in one target after the other.

It needs the environment `.venv-fuzz` with Python 3.12 or later, for which atheris has wheels. Each target takes any
bytes; an exception that is no refusal in words ends it, and its input is written to `dist/fuzz/`.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORMS = ("jsonl", "csv", "xml", "bib", "ris", "json")
SEEDS: dict[str, list[bytes]] = {
    "papers": [
        b'\x00{"id": "2101.00001", "title": "T", "abstract": "A", "authors": ["B, C."], "categories": "cs.LG"}\n',
        b"\x01id,title,abstract\n1,T,A\n",
        b'\x02<collection id="2020.acl"><volume id="1"><paper id="1"><title>T &amp; U</title>'
        b"</paper></volume></collection>",
        b"\x03@article{a, title={T $x_1$}, author={B, C and D}, year=2000, doi={10.1/x}}",
        b"\x04TY  - JOUR\nTI  - A\nAU  - B, C\nDO  - 10.1/x\nER  - \n",
        b'\x05[{"id": "1", "type": "book", "title": "T", "author": [{"family": "F"}]}]',
    ],
    "pages": [
        b"<OAI-PMH><responseDate>2026-01-01T00:00:00Z</responseDate><ListRecords><record><header><identifier>oai:arXiv.org:1"
        b"</identifier></header></record><resumptionToken>t</resumptionToken></ListRecords></OAI-PMH>",
    ],
    "references": [
        b"[1] A. B, Title of a paper, 2001.00001\ndoi:10.1/x",
        b'[{"DOI": "10.1/x"}]',
        b"@misc{a, doi={10.1/x}}",
    ],
    "queries": [
        b'(au:"Ada Verne" OR ti:neuro*) ANDNOT cat:cs.LG,math.* submittedDate:[2020 TO 2021] -survey',
        b"https://arxiv.org/search/?query=dust&searchtype=author",
    ],
}
"""Inputs that each target begins with. The first byte of `papers` chooses the format."""


def run(seconds: float, python: Path) -> int:
    """Run every target for its share of the time in an environment with atheris; return the first exit code but 0."""
    findings = ROOT / "dist/fuzz"
    findings.mkdir(parents=True, exist_ok=True)
    for name, seeds in SEEDS.items():
        with tempfile.TemporaryDirectory() as corpus:
            for number, seed in enumerate(seeds):
                Path(corpus, str(number)).write_bytes(seed)
            print(f"atheris: {name}, {seconds / len(SEEDS):.0f} s", flush=True)
            command = [python, "-m", "tests.fuzz.guided", name, corpus, f"-artifact_prefix={findings}/{name}-"]
            command += [
                f"-max_total_time={max(int(seconds / len(SEEDS)), 1)}",
                "-timeout=20",
                "-max_len=4096",
                "-verbosity=0",
            ]
            done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, errors="replace")
        if done.returncode:
            print(f"{done.stderr[-4000:]}\nthe input is in {findings}: {name}-…", file=sys.stderr)
            return done.returncode
    return 0


def is_there(python: Path) -> bool:
    """Return True if an environment has atheris."""
    return python.exists() and not subprocess.run([python, "-c", "import atheris"], capture_output=True).returncode


def main(name: str, options: list[str]) -> None:
    """Run one target until its time is over or it fails."""
    import atheris  # type: ignore[import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["akin", "retrieval_service"]):
        from akin.papers import read_papers
        from akin.papers.bibliography.references import read_references
        from akin.papers.citation import CitationFormat, write_citations
        from akin.papers.errors import PapersError
        from akin.papers.remote.oai import BadAnswer, Refusal, Unreadable, parse_page
        from retrieval_service.errors import RetrievalError
        from retrieval_service.search.operators import parse_query

    folder = Path(tempfile.mkdtemp(prefix="akin-fuzz-"))

    def papers(content: bytes) -> None:
        path = folder / f"papers.{FORMS[content[0] % len(FORMS) if content else 0]}"
        path.write_bytes(content[1:])
        with contextlib.suppress(PapersError), read_papers(path) as reader:
            write_citations(list(reader), CitationFormat.BIBTEX).encode("utf-8")

    def pages(content: bytes) -> None:
        with contextlib.suppress(BadAnswer, Refusal, Unreadable):
            parse_page(content)

    def references(content: bytes) -> None:
        with contextlib.suppress(ValueError):  # JSON that is none
            list(read_references(content.decode("utf-8", "replace"), 1_000)[1])

    def queries(content: bytes) -> None:
        with contextlib.suppress(RetrievalError):
            found = parse_query(content.decode("utf-8", "replace"))
            assert all(operator.text for operator in found.operators)

    targets: dict[str, Callable[[bytes], None]] = {
        "papers": papers, "pages": pages, "references": references, "queries": queries,
    }  # fmt: skip
    atheris.Setup([sys.argv[0], *options], targets[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
