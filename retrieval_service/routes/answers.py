"""Answers that are not those of a search; fields may be added, but are never removed."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from akin.papers import CATEGORIES
from retrieval_service.corpus.manifest import Manifest
from retrieval_service.ports import Catalogue, EncoderIdentity
from retrieval_service.redaction import redact_detail
from retrieval_service.search.answer import Coverage, EncoderAnswer

_encode = msgspec.json.Encoder().encode


class CategoryAnswer(msgspec.Struct):
    """Category of the corpus."""

    code: str
    name: str
    papers: int


class ReferencesAnswer(msgspec.Struct):
    """References between papers of the corpus: `pairs` between so many `papers`, and where they are from."""

    pairs: int
    papers: int
    imported: str
    sources: list[str]


class CorpusAnswer(msgspec.Struct):
    """Corpus that is searched: its number of papers, their days and their categories, the largest first.

    `references` are there if the corpus knows which of its papers cite which, and `coverage` while some papers have no
    vector yet.
    """

    papers: int
    created: str
    first: str | None
    newest: str | None
    categories: list[CategoryAnswer]
    snapshot: str
    encoder: EncoderAnswer
    source: str
    references: ReferencesAnswer | UnsetType = UNSET
    coverage: Coverage | UnsetType = UNSET


class EmbedAnswer(msgspec.Struct):
    """Vector of a text, of unit length."""

    embedding_dim: int
    embedding: list[float]
    tokens: int
    truncated: bool
    encoder: EncoderAnswer


def json_response(answer: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer as JSON."""
    return Response(_encode(answer), status, headers, "application/json")


def corpus_answer(manifest: Manifest, catalogue: Catalogue) -> CorpusAnswer:
    """Return the answer that describes a corpus."""
    first, newest = catalogue.span
    return CorpusAnswer(
        papers=len(catalogue),
        created=manifest.created.isoformat(),
        first=first.isoformat() if first else None,
        newest=newest.isoformat() if newest else None,
        categories=[
            CategoryAnswer(code, CATEGORIES.get(code, code), count) for code, count in catalogue.categories.items()
        ],
        snapshot=manifest.id,
        encoder=EncoderAnswer(manifest.encoder.version, manifest.encoder.digest),
        source=str(redact_detail(manifest.source)),
        references=_references(manifest),
        coverage=UNSET if manifest.with_vectors is UNSET else Coverage(manifest.with_vectors, manifest.papers),
    )


def _references(manifest: Manifest) -> ReferencesAnswer | UnsetType:
    found = manifest.references
    if found is UNSET:
        return UNSET
    sources = [str(redact_detail(name)) for name in found.sources]
    return ReferencesAnswer(found.pairs, found.papers, found.imported, sources)


def embed_answer(vector: list[float], tokens: int, encoder: EncoderIdentity) -> EmbedAnswer:
    """Return the answer with the vector of a text."""
    truncated = encoder.max_length is not None and tokens > encoder.max_length
    return EmbedAnswer(len(vector), vector, tokens, truncated, EncoderAnswer(encoder.version, encoder.digest))
