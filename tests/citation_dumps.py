"""Generate files of citations as OpenAlex and Semantic Scholar publish them, with the oddities of the real ones."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Citations:
    """References between papers, and the files that say so.

    Attributes:
        ids: Ids of the corpus's papers.
        pairs: The pairs that an import must find: places of a citing and of a cited paper.
        totals: The citations that the sources state for each paper.
    """

    ids: Sequence[str]
    seed: int = 1
    pairs: set[tuple[int, int]] = field(default_factory=set)
    totals: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        count = len(self.ids)
        for citing in range(count):
            for cited in self.dice.sample(range(count), self.dice.randint(0, min(6, count - 1))):
                if citing != cited:  # cycles are fine
                    self.pairs.add((citing, cited))

    def openalex(self) -> list[str]:
        """Return the lines of works, in no order, with broken ones among them."""
        lines = [self._work(place) for place in range(len(self.ids))]
        lines += [json.dumps(self._stranger(number)) for number in range(20)]
        lines += [
            '{"id": "https://openalex.org/W9", "referenced_works": [',
            '{"id": null, "referenced_works": null, "doi": null}',
            '{"id": "https://openalex.org/A5023888391", "doi": null, "referenced_works": []}',
            "\x00\x00",
            '{"id": "https://openalex.org/W12", "doi": 7, "referenced_works": []}',
        ]
        self.dice.shuffle(lines)
        # The format is recognised by the first lines, of which no real file has many broken ones.
        return sorted(lines, key=lambda line: '"referenced_works"' not in line)

    def merged(self) -> str:
        """Return a list of merged works: references name the old id of every seventh paper."""
        rows = ["merge_date,id,merge_into_id"]
        for place in range(0, len(self.ids), 7):
            rows += [f"2024-05-01,W{_old(place)},W{_old(place) + 1}", f"2024-06-01,W{_old(place) + 1},W{work(place)}"]
        return "\n".join([*rows, "2024-07-01,W1,W2", "2024-07-01,,W2"]) + "\n"

    def scholar_papers(self) -> list[str]:
        """Return the lines of Semantic Scholar's data set `papers`."""
        lines = []
        for place, name in enumerate(self.ids):
            arxiv = name if place % 3 else f"{name}v2"
            ids = {"ACL": None, "DBLP": None, "ArXiv": arxiv, "MAG": None, "CorpusId": str(corpus_id(place))}
            if place % 5 == 0:
                ids |= {"ArXiv": None, "DOI": f"10.48550/arXiv.{name}"}
            stated = self._total(place)
            lines.append(
                json.dumps({"corpusid": corpus_id(place), "externalids": ids, "title": "T", "citationcount": stated})
            )
        lines += [
            '{"corpusid": 7, "externalids": null, "citationcount": 0}',
            '{"corpusid": -1, "externalids": {}}',
            "{",
        ]
        return lines

    def scholar_citations(self) -> list[str]:
        """Return the lines of Semantic Scholar's data set `citations`."""
        lines = [
            json.dumps({"citationid": number, "citingcorpusid": corpus_id(citing), "citedcorpusid": corpus_id(cited)})
            for number, (citing, cited) in enumerate(sorted(self.pairs))
        ]
        lines += [lines[0], '{"citingcorpusid": 5, "citedcorpusid": null}', '{"citingcorpusid": 5}']
        lines.append(json.dumps({"citingcorpusid": corpus_id(0), "citedcorpusid": corpus_id(0)}))
        lines.append(json.dumps({"citingcorpusid": corpus_id(0), "citedcorpusid": None}))
        self.dice.shuffle(lines)
        return sorted(lines, key=lambda line: "citedcorpusid" not in line)

    def pair_lines(self, delimiter: str = "\t") -> list[str]:
        """Return a line for each pair, with ids in several forms."""
        return [delimiter.join((self._form(citing), self.ids[cited])) for citing, cited in sorted(self.pairs)]

    def _form(self, place: int) -> str:
        name = self.ids[place]
        forms = (name, f"arXiv:{name}", f"{name}v3", f"https://arxiv.org/abs/{name}v1", f"10.48550/ARXIV.{name}")
        return self.dice.choice(forms)

    def _total(self, place: int) -> int:
        return self.totals.setdefault(place, self.dice.choice([0, 3, 900, 2_000_000]))

    def _work(self, place: int) -> str:
        name = self.ids[place]
        cited = [other for citing, other in self.pairs if citing == place]
        references: list[Any] = [
            _address(_old(other) if other % 7 == 0 and self.dice.random() < 0.5 else work(other)) for other in cited
        ]
        references += [_address(work(place)), _address(4285719527), *references[:1]]  # itself, a deleted one, a repeat
        about: dict[str, Any] = {
            "id": _address(work(place)),
            "doi": None,
            "ids": {"openalex": _address(work(place))},
            "locations": [{"landing_page_url": None, "pdf_url": None, "source": None}],
            "referenced_works": references if cited else None,
            "cited_by_count": self._total(place),
            "abstract_inverted_index": {"We": [0], "show": [1]},
            "is_retracted": place % 11 == 0,
        }
        way = place % 5
        if way == 0:
            about["doi"] = f"https://doi.org/10.48550/ARXIV.{name}"
        elif way == 1:
            about["locations"] = [{"landing_page_url": f"http://arxiv.org/abs/{name}v2", "pdf_url": None}]
        elif way == 2:
            about["primary_location"] = {"pdf_url": f"https://arxiv.org/pdf/{name}", "landing_page_url": None}
        elif way == 3:
            about["locations"] = [{"id": f"pmh:oai:arXiv.org:{name}", "landing_page_url": None}]
        else:
            about["ids"] = {"doi": f"https://doi.org/10.48550/arxiv.{name}", "mag": 17}
        if not cited:
            about["referenced_works"] = self.dice.choice([None, []])
        elif place % 6 == 0:
            about["referenced_works"] = [*references, None]
        return json.dumps(about)

    def _stranger(self, number: int) -> dict[str, Any]:
        references = [_address(work(place)) for place in self.dice.sample(range(len(self.ids)), min(3, len(self.ids)))]
        about = {"id": _address(10**9 + number), "doi": f"https://doi.org/10.1000/x{number}", "title": None}
        return {**about, "referenced_works": references, "cited_by_count": 1, "locations": None, "ids": None}


def work(place: int) -> int:
    """Return the number of the OpenAlex work of a paper."""
    return 2_741_000_000 + 37 * place


def corpus_id(place: int) -> int:
    """Return Semantic Scholar's number of a paper."""
    return 204_000_000 + 11 * place


def _old(place: int) -> int:
    return 900_000_000 + 10 * place


def _address(number: int) -> str:
    return f"https://openalex.org/W{number}"


def write(path: Path, lines: Sequence[str], *, members: int = 1) -> Path:
    """Write lines, as gzip of several members if the name ends so."""
    content = [line.encode("utf-8", "surrogateescape") + b"\n" for line in lines]
    if path.suffix == ".gz":
        size = -(-len(content) // members) or 1
        parts = [b"".join(content[at : at + size]) for at in range(0, len(content), size)]
        path.write_bytes(b"".join(map(gzip.compress, parts)))
    else:
        path.write_bytes(b"".join(content))
    return path
