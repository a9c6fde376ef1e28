"""References of a bibliography, resolved to papers of the corpus."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar

import msgspec
from pydantic import ConfigDict, Field, StringConstraints, model_validator
from starlette.requests import Request
from starlette.responses import Response

from akin.papers import bare_doi, parse_arxiv_id, parse_author
from akin.papers.bibliography.references import Reference, TooManyReferences, read_references
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.errors import InvalidParameter
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.costs import references_cost
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.rate_limit import charge
from retrieval_service.routes.state import answer_from_corpus, deadline_of, service_state
from retrieval_service.search.parameters import Number, replace_unprintable
from retrieval_service.search.resolving import ResolvedReference
from retrieval_service.search.resolving import resolve as resolve_references
from retrieval_service.threads import Job

MOST_REFERENCES = 2_000
"""References of one request."""
LONGEST_TEXT = 1_000_000
"""Characters of a text with references."""
_LONGEST_BODY = 4 << 20  # the longest text in letters of several bytes

_Text = Annotated[str, StringConstraints(max_length=1_000)]


@dataclass(frozen=True, kw_only=True)
class OneReference:
    """Reference by its parts; at least a title, a DOI, an arXiv id or an id."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    title: Annotated[_Text, Field(description="The title.")] = ""
    authors: Annotated[
        tuple[_Text, ...],
        Field(
            description="Names of authors, the first one first: `Reyes, Calvin` or `Calvin Reyes`.", max_length=5_000
        ),
    ] = ()
    year: Annotated[Number | None, Field(description="The year of publication.", ge=0, le=9999)] = None
    doi: Annotated[_Text, Field(description="The DOI, bare or as an address.")] = ""
    arxiv_id: Annotated[_Text, Field(description="The arXiv id, in any form.")] = ""
    id: Annotated[_Text, Field(description="A text that may be an id of the corpus.")] = ""
    key: Annotated[_Text, Field(description="A name for the reference, which the answer repeats.")] = ""

    def read(self) -> Reference:
        """Return the reference, its texts cleaned."""
        title = " ".join(replace_unprintable(self.title).split())
        known, doi = parse_arxiv_id(self.arxiv_id), bare_doi(self.doi)
        return Reference(
            text=replace_unprintable(title or self.arxiv_id or self.doi or self.id or self.key)[:200],
            key=replace_unprintable(self.key),
            title=title,
            authors=tuple(parse_author(replace_unprintable(name)).family for name in self.authors[:200]),
            year=self.year,
            doi=doi,
            arxiv_id=known.id if known else None,
            paper_id=replace_unprintable(self.id).strip() or None,
            problem=None
            if title or known or doi or self.id.strip()
            else "it has no title, no DOI, no arXiv id and no id",
        )


@dataclass(frozen=True, kw_only=True)
class ResolveRequest:
    """References to resolve, as a text or by their parts."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    text: Annotated[
        str | None,
        Field(
            description="BibTeX, RIS, CSL-JSON, Zotero's CSV, an export (CSV, JSON lines), or lines of ids, DOIs and "
            f"titles; at most {LONGEST_TEXT} characters and {MOST_REFERENCES} references.",
            max_length=LONGEST_TEXT,
        ),
    ] = None
    references: Annotated[
        tuple[OneReference, ...],
        Field(description="References by their parts, instead of a text.", max_length=MOST_REFERENCES),
    ] = ()

    @model_validator(mode="after")
    def _check_one(self) -> ResolveRequest:
        if (self.text is None) == (not self.references):
            raise InvalidParameter("Give either text or references.", {"parameter": "text"})
        return self


class ResolveAnswer(msgspec.Struct):
    """References in their order, and the number of those that are `found`.

    `format` is that of the text: `bibtex`, `ris`, `csl-json`, `zotero-csv`, `csv`, `jsonl` or `lines`; null for
    references by parts.
    """

    references: list[ResolvedReference]
    found: int
    format: str | None
    snapshot: str


_RESOLVE = Parameters(ResolveRequest, _LONGEST_BODY)


async def resolve(request: Request) -> Response:
    """Find the papers that references mean: by arXiv id, then by DOI, then by title, authors and year.

    A reference without a certain paper has the papers with the most similar titles as candidates.
    """
    state = service_state(request)
    deadline = deadline_of(request, state.bulk_seconds)
    wanted = await _RESOLVE.parse_body(request)

    async def answer(corpus: OpenCorpus) -> Response:
        # A job holds its turn until it has ended, so that texts that are given up are not read beside others.
        form, references = await Job(state.read_threads, _read, wanted).result()
        charge(request.scope, references_cost(len(references)))
        resolved = await resolve_references(state.engine.executor, corpus, references)
        found = sum(each.paper is not None for each in resolved)
        return json_response(ResolveAnswer(resolved, found, form, corpus.manifest.id))

    return await answer_from_corpus(request, state.bulk, deadline, wanted, answer)


def _read(wanted: ResolveRequest) -> tuple[str | None, list[Reference]]:
    if wanted.text is None:
        return None, [each.read() for each in wanted.references]
    problem = f"The text has more than {MOST_REFERENCES} references; send it in parts."
    detail = {"parameter": "text", "limit": MOST_REFERENCES}
    try:
        form, references = read_references(wanted.text, MOST_REFERENCES)
        read = list(islice(references, MOST_REFERENCES + 1))
    except TooManyReferences:
        raise InvalidParameter(problem, detail) from None
    except ValueError as error:
        raise InvalidParameter(f"The text is not one JSON array of CSL-JSON: {error}.", {"parameter": "text"}) from None
    if len(read) > MOST_REFERENCES:
        raise InvalidParameter(problem, detail)
    if not read:
        raise InvalidParameter(
            "The text has no reference: give BibTeX, RIS, CSL-JSON, or lines of ids, DOIs and titles.",
            {"parameter": "text"},
        )
    return form, read


ROUTES = (
    ApiRoute(
        "/references/resolve",
        resolve,
        "POST",
        takes=_RESOLVE,
        answers=ResolveAnswer,
        timed=True,
        example={"text": "@misc{key,\n  title = {Attention Is All You Need},\n  eprint = {1706.03762}\n}"},
    ),
)
