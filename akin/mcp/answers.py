"""Answers of the tools: what the API answers, cut to a length that fits a model's context, as data and as text.

Fields have the names of the API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from akin.mcp.arguments import ExportCitations, Narrowed, Sized, plain_schema
from akin.mcp.asking import ToolError

_SHORT_ABSTRACT = 400
_AUTHORS_OF_RESULT = 10
_AUTHORS_OF_CHASED = 3
_AUTHORS_OF_PAPER = 100
_CATEGORIES = 60
_AROUND = 400  # characters of an answer beside its papers, without notes
_LEAST_ABSTRACT = 100
_LONGEST_NOTE = 300
_OFFSETS = 1000
_COUNTS = 24  # years, and categories


class Answer(BaseModel):
    """Structured content of a tool's answer, with no further fields."""

    model_config = ConfigDict(extra="forbid")

    def text(self) -> str:
        """Return the answer for reading."""
        raise NotImplementedError

    @classmethod
    def schema_of(cls) -> dict[str, Any]:
        """Return the JSON schema."""
        return plain_schema(cls.model_json_schema(mode="serialization"))


class Count(Answer):
    """Number of matches in a year or a category."""

    value: str
    papers: int


class Facets(Answer):
    """Numbers of matches: the newest years and the largest categories; `complete` if all matches were counted."""

    years: list[Count]
    categories: list[Count]
    papers: int
    complete: bool


class FoundPaper(Answer):
    """Paper that was found; at most ten of its authors are listed. `why` and `sentence` are there on request.

    `citations` are null if they are not known.
    """

    id: str
    title: str
    abstract: str
    authors: list[str]
    author_count: int
    date: str | None
    categories: list[str]
    score: float
    citations: int | None
    withdrawn: bool
    links: dict[str, str]
    why: str | None = None
    sentence: str | None = None


class ChasedPaper(Answer):
    """Paper that the best results cite or are cited by, as `why` says; at most three of its authors are listed.

    `score` is the share of the best results that are linked to it, of which the first weigh most.
    """

    id: str
    title: str
    authors: list[str]
    author_count: int
    date: str | None
    score: float
    citations: int | None
    withdrawn: bool
    why: str


class FoundPapers(Answer):
    """Papers that were found, in the order that was asked for.

    `searched` is the number of papers that the conditions admit, `left_out` the number of results that did not fit,
    and `next_offset` where to go on, unless there is no more. `chased` are there on request, and `chased_left_out` is
    the number of those that did not fit.
    """

    results: list[FoundPaper]
    offset: int
    next_offset: int | None
    left_out: int
    searched: int
    mode: str
    degraded: str | None
    notes: list[str]
    snapshot: str
    facets: Facets | None = None
    chased: list[ChasedPaper] | None = None
    chased_left_out: int | None = None

    def text(self) -> str:
        """Return the answer for reading."""
        if self.results:
            first, last = self.offset + 1, self.offset + len(self.results)
            lines = [f"Results {first} to {last} of a {self.mode} search of {self.searched} papers."]
        elif self.searched:
            lines = ["No paper matches, or there are no more. Use other words, fewer conditions, or a lower offset."]
        else:
            lines = ["No paper of the corpus meets the conditions. Use fewer; corpus_info tells dates and categories."]
        lines += [f"Note: {note}" for note in (*filter(None, [self.degraded]), *self.notes)]
        for rank, paper in enumerate(self.results, self.offset + 1):
            lines.append(f"\n{rank}. {paper.title}{' (withdrawn)' * paper.withdrawn}")
            lines.append(f"   {_facts(paper, ', '.join(paper.categories))}")
            lines.append(f"   {_people(paper.authors, paper.author_count)}")
            lines += [f"   {part}" for part in (paper.why, paper.sentence, paper.abstract) if part]
        if self.facets:
            named = (("Years", self.facets.years), ("Categories", self.facets.categories))
            lines.append(f"\nOf {'all' if self.facets.complete else 'the best'} {self.facets.papers} matches:")
            lines += [f"{name}: {', '.join(f'{one.value} ({one.papers})' for one in some)}" for name, some in named]
        if self.chased is not None:
            lines.append("\nLinked with the best results by references:" if self.chased else "\nNo paper was chased.")
        for each in self.chased or ():
            lines.append(f"- {each.title}{' (withdrawn)' * each.withdrawn}; {_facts(each)}")
            lines.append(f"  {_people(each.authors, each.author_count)}; {each.why}")
        if self.chased_left_out:
            lines.append(f"{self.chased_left_out} more of these did not fit max_characters.")
        if self.left_out:
            lines.append(f"\n{self.left_out} more did not fit max_characters.")
        if self.next_offset is not None:
            lines.append(f"\nFor more, call again with offset {self.next_offset}.")
        return "\n".join(lines)


class PaperDetails(Answer):
    """One paper; at most a hundred of its authors are listed. `citations` are null if they are not known."""

    id: str
    title: str
    abstract: str
    authors: list[str]
    author_count: int
    date: str | None
    categories: list[str]
    doi: str | None
    journal_ref: str | None
    comments: str | None
    citations: int | None
    withdrawn: bool
    links: dict[str, str]

    def text(self) -> str:
        """Return the answer for reading."""
        facts = {
            "Authors": _people(self.authors, self.author_count), "Date": self.date or "undated", "Id": self.id,
            "Categories": ", ".join(self.categories), "DOI": self.doi, "Journal": self.journal_ref,
            "Comments": self.comments, "Address": next(iter(self.links.values()), None),
        }  # fmt: skip
        lines = [f"{self.title}{' (withdrawn)' * self.withdrawn}"]
        lines += [f"{name}: {value}" for name, value in facts.items() if value]
        return "\n".join([*lines, "", self.abstract])


class Citations(Answer):
    """Citations as the text of one file."""

    format: str
    count: int
    citations: str

    def text(self) -> str:
        """Return the answer for reading: the file itself."""
        return self.citations


class Category(Answer):
    """Category of the corpus, with its number of papers."""

    code: str
    name: str
    papers: int


class Corpus(Answer):
    """Corpus that is searched: papers, days of the oldest and the newest one, and the largest categories.

    `references` is the number of references between papers of the corpus; 0 if they are not known.
    """

    papers: int
    first: str | None
    newest: str | None
    created: str
    category_count: int
    categories: list[Category]
    references: int
    snapshot: str
    archives: ClassVar[int] = 12

    def text(self) -> str:
        """Return the answer for reading."""
        lines = [self.scope(), f"The largest of {self.category_count} categories:"]
        return "\n".join([*lines, *(f"{each.code} ({each.name}): {each.papers}" for each in self.categories)])

    def scope(self) -> str:
        """Return the corpus in a sentence: papers, years, archives, and the day of its index."""
        archives = list(dict.fromkeys(each.code.partition(".")[0] for each in self.categories))
        named = ", ".join(archives[: self.archives]) + (" and more" if len(archives) > self.archives else "")
        of = f" of {(self.first or '')[:4]} to {self.newest}" if self.newest else ""
        known = f"; {self.references} references between them" if self.references else ""
        return f"Corpus: {self.papers} papers{of}{known}; archives: {named or 'none'}; indexed {self.created[:10]}."


_Paper = TypeVar("_Paper", FoundPaper, PaperDetails)


def found(answer: Mapping[str, Any], asked: Narrowed) -> FoundPapers:
    """Return the results of a search that fit the length that was asked for."""
    most = min(_LONGEST_NOTE, asked.max_characters // 8)
    notes = [cut(note, most) for note in answer.get("notes", ())][: max(1, asked.max_characters // 3000)]
    degraded = cut(answer.get("degraded") or "", most)
    part = asked.max_characters // (8 if asked.facets and asked.chase else 4)
    facets = _facets(answer["facets"], part) if asked.facets else None
    chased = _chased(answer["chased"], part) if asked.chase else None
    room = asked.max_characters - _AROUND - len(degraded) - sum(map(len, notes))
    room -= len(facets.model_dump_json()) if facets else 0
    room -= sum(len(each.model_dump_json()) for each in chased or ())
    kept: list[FoundPaper] = []
    results = answer["results"]
    for result in results:
        paper = _found_paper(result, asked.abstracts)
        length = len(paper.model_dump_json())
        if length > room and kept:
            break
        kept.append(_fit(paper, room))
        room -= length
    reached = asked.offset + len(kept)
    more = len(kept) < len(results) or len(results) == asked.k
    return FoundPapers(
        results=kept,
        offset=asked.offset,
        next_offset=reached if kept and more and reached <= _OFFSETS else None,
        left_out=len(results) - len(kept),
        searched=answer["searched"],
        mode=answer["mode"],
        degraded=degraded or None,
        notes=notes,
        snapshot=answer["snapshot"],
        facets=facets,
        chased=chased,
        chased_left_out=len(answer["chased"]) - len(chased) if chased is not None else None,
    )


def details(answer: Mapping[str, Any], asked: Sized) -> PaperDetails:
    """Return a paper in the length that was asked for."""
    fields: dict[str, Any] = {name: answer.get(name) for name in PaperDetails.model_fields}
    authors = list(answer["authors"][:_AUTHORS_OF_PAPER])
    paper = PaperDetails(**fields | {"authors": authors, "citations": _total(answer)})
    return _fit(paper, asked.max_characters)


def citations(text: str, asked: ExportCitations) -> Citations:
    """Return citations.

    Raises:
        ToolError: They are longer than was asked for; a part of a file would be broken.
    """
    if len(text) > asked.max_characters:
        fit = max(1, len(asked.ids) * asked.max_characters // len(text))
        raise ToolError(
            f"The citations have {len(text)} characters, more than max_characters ({asked.max_characters}). Ask for "
            f"about {fit} papers at a time, or raise max_characters."
        )
    return Citations(format=asked.format, count=len(dict.fromkeys(asked.ids)), citations=text)


def corpus(answer: Mapping[str, Any]) -> Corpus:
    """Return the corpus with its largest categories."""
    categories = answer["categories"]
    shown = [Category(code=each["code"], name=each["name"], papers=each["papers"]) for each in categories[:_CATEGORIES]]
    fields = {name: answer[name] for name in ("papers", "first", "newest", "created", "snapshot")}
    references = answer.get("references", {}).get("pairs", 0)
    return Corpus(**fields, category_count=len(categories), categories=shown, references=references)


def _facets(counted: Mapping[str, Any], most: int) -> Facets:
    """Return the counts of the newest years and the largest categories, of at most so many characters as JSON."""
    years = [Count(value=str(one["year"]), papers=one["papers"]) for one in reversed(counted["years"])]
    categories = [Count(value=one["code"], papers=one["papers"]) for one in counted["categories"]]
    shown = _COUNTS
    while True:
        facets = Facets(
            years=years[:shown],
            categories=categories[:shown],
            papers=counted["papers"],
            complete=counted["complete"],
        )
        if not shown or len(facets.model_dump_json()) <= most:
            return facets
        shown //= 2


def _chased(papers: Sequence[Mapping[str, Any]], most: int) -> list[ChasedPaper]:
    """Return the first of the chased papers that have at most so many characters as JSON."""
    kept: list[ChasedPaper] = []
    for each in papers:
        fields: dict[str, Any] = {name: each[name] for name in ChasedPaper.model_fields if name in each}
        texts = {"title": cut(each["title"], _LONGEST_NOTE), "why": cut(each["why"], _LONGEST_NOTE)}
        authors = list(each["authors"][:_AUTHORS_OF_CHASED])
        paper = ChasedPaper(**fields | texts | {"authors": authors, "citations": _total(each)})
        most -= len(paper.model_dump_json())
        if most < 0:
            break
        kept.append(paper)
    return kept


def _found_paper(result: Mapping[str, Any], abstracts: str) -> FoundPaper:
    fields: dict[str, Any] = {name: result[name] for name in FoundPaper.model_fields if name in result}
    if highlights := result.get("highlights"):
        fields["why"] = cut(highlights["why"], _LONGEST_NOTE)
        if highlights["sentence"]:
            fields["sentence"] = cut(result["abstract"][slice(*highlights["sentence"])], _SHORT_ABSTRACT)
    abstract = {"full": result["abstract"], "none": ""}.get(abstracts, cut(result["abstract"], _SHORT_ABSTRACT))
    links = {name: result["links"][name] for name in ("abs", "doi", "url") if name in result["links"]}
    return FoundPaper(
        **fields
        | {"abstract": abstract, "authors": list(result["authors"][:_AUTHORS_OF_RESULT]), "links": links}
        | {"citations": _total(result)}
    )


def _total(paper: Mapping[str, Any]) -> int | None:
    counts = paper.get("citations")
    return int(counts["total"]) if counts else None


def _fit(paper: _Paper, most: int) -> _Paper:
    """Return a paper that has at most so many characters as JSON: its abstract is cut first, then authors and texts."""
    while (excess := len(paper.model_dump_json()) - most) > 0 and len(paper.abstract) > _LEAST_ABSTRACT:
        abstract = cut(paper.abstract, max(_LEAST_ABSTRACT - 1, len(paper.abstract) - excess - 1))
        paper = paper.model_copy(update={"abstract": abstract})
    while len(paper.model_dump_json()) > most and len(paper.authors) > 1:
        paper = paper.model_copy(update={"authors": paper.authors[: len(paper.authors) // 2]})
    if len(paper.model_dump_json()) > most:
        texts = {name: getattr(paper, name, None) for name in ("title", "journal_ref", "comments", "why", "sentence")}
        paper = paper.model_copy(update={name: cut(text, _LEAST_ABSTRACT) for name, text in texts.items() if text})
    return paper


def cut(text: str, most: int) -> str:
    """Return a text, or its beginning up to a word's end and `…` if it is longer."""
    if len(text) <= most:
        return text
    words = text[:most].rpartition(" ")[0]
    return (words if len(words) > most // 2 else text[:most]).rstrip() + "…"


def _facts(paper: FoundPaper | ChasedPaper, *more: str) -> str:
    """Return date, id and citations of a paper for reading."""
    cited = "" if paper.citations is None else f"cited by {paper.citations}"
    return "; ".join(filter(None, [paper.date or "undated", paper.id, *more, cited]))


def _people(names: Sequence[str], count: int) -> str:
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return f"{', '.join(names)}{more}" or "no author named"
