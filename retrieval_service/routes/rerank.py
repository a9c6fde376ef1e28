"""Texts in the order of a reranker, as the clients of Cohere and of Text Embeddings Inference (TEI) ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from retrieval_service.errors import InvalidParameter, UnknownModel
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.costs import several
from retrieval_service.routes.embeddings import check_texts
from retrieval_service.routes.models import ANY_RERANKER
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.rate_limit import charge
from retrieval_service.routes.state import answer_in_turn, deadline_of, service_state
from retrieval_service.search.many_texts import FEW_TEXTS
from retrieval_service.search.parameters import LONGEST_QUERY, Number

MOST_TEXTS = 1000
"""Texts of one request; as many as Cohere reads at most."""
_LONGEST_BODY = 8 << 20
_IGNORED = "Ignored: a pair is always cut to what the reranker reads."


def _documents(value: object) -> list[str]:
    if value is None or value == []:
        return []
    if isinstance(value, list):  # Cohere's first version sends objects
        value = [each["text"] if isinstance(each, dict) and set(each) == {"text"} else each for each in value]
    return check_texts(value, "documents", MOST_TEXTS)


def _texts(value: object) -> list[str]:
    return [] if value is None or value == [] else check_texts(value, "texts", MOST_TEXTS)


def _query(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidParameter("query must be a text.", {"parameter": "query"})
    return check_texts(value, "query", 1)[0]


_LIST = WithJsonSchema(
    {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_QUERY}, "maxItems": MOST_TEXTS}
)


@dataclass(frozen=True, kw_only=True)
class RerankRequest:
    """Query, and texts to put in order: `documents` as Cohere names them, or `texts` as TEI does."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    query: Annotated[
        str,
        BeforeValidator(_query),
        Field(description=f"What the texts are compared with; at most {LONGEST_QUERY} characters.", min_length=1),
    ]
    documents: Annotated[
        tuple[str, ...],
        BeforeValidator(_documents),
        _LIST,
        Field(description=f"Up to {MOST_TEXTS} texts; the answer has Cohere's form."),
    ] = ()
    texts: Annotated[
        tuple[str, ...],
        BeforeValidator(_texts),
        _LIST,
        Field(description=f"Up to {MOST_TEXTS} texts, instead of `documents`; the answer has TEI's form."),
    ] = ()
    model: Annotated[
        str | None,
        StringConstraints(max_length=200),
        Field(description="`reranker`; by default the one that is served."),
    ] = None
    top_n: Annotated[
        Number | None, Field(description="Number of best texts in the answer; by default all of them.", ge=1)
    ] = None
    return_documents: Annotated[bool, Field(description="Repeat `documents` in the answer.")] = False
    return_text: Annotated[bool, Field(description="Repeat `texts` in the answer.")] = False
    raw_scores: Annotated[
        bool, Field(description="Answer `texts` with the reranker's own scores instead of numbers from 0 to 1.")
    ] = False
    max_tokens_per_doc: Annotated[Any, Field(description=_IGNORED)] = None
    max_chunks_per_doc: Annotated[Any, Field(description=_IGNORED)] = None
    truncate: Annotated[Any, Field(description=_IGNORED)] = None
    truncation_direction: Annotated[Any, Field(description=_IGNORED)] = None
    priority: Annotated[Any, Field(description="Ignored.")] = None

    @model_validator(mode="after")
    def _check_texts(self) -> RerankRequest:
        if bool(self.documents) == bool(self.texts):
            given = "both" if self.texts else "neither"
            raise InvalidParameter(
                f"Give either documents (Cohere's name) or texts (TEI's), with at least one text; {given} is given.",
                {"parameter": "documents"},
            )
        return self


class RerankedText(msgspec.Struct):
    """Text of a document."""

    text: str


class RerankResult(msgspec.Struct, kw_only=True):
    """Document, by its place in the request, with its relevance from 0 to 1."""

    index: int
    relevance_score: float
    document: RerankedText | UnsetType = UNSET


class RerankAnswer(msgspec.Struct, kw_only=True):
    """Documents, the most relevant first. For `texts`, the answer is a list of `{index, score, text}` instead."""

    results: list[RerankResult]
    model: str = ANY_RERANKER


class RankedText(msgspec.Struct, kw_only=True):
    """Text, by its place in the request, with its score."""

    index: int
    score: float
    text: str | UnsetType = UNSET


_RERANK = Parameters(RerankRequest, _LONGEST_BODY)


async def rerank(request: Request) -> Response:
    """Return texts in the order of their relevance to a query, judged by the reranker; 404 if there is none."""
    state = service_state(request)
    deadline = deadline_of(request, state.bulk_seconds)
    wanted = await _RERANK.parse_body(request)
    if wanted.model not in (None, ANY_RERANKER):
        raise UnknownModel(
            f"There is no reranker {str(wanted.model)[:100]!r} here. {ANY_RERANKER} stands for the one that is served.",
            {"model": str(wanted.model)[:100], "served": [ANY_RERANKER]},
        )

    texts = wanted.documents or wanted.texts
    charge(request.scope, several(len(texts), FEW_TEXTS))

    async def answer() -> Response:
        scores = await state.reranking.score_texts(wanted.query, texts)
        return json_response(_answer(wanted, scores))

    return await answer_in_turn(request, state.bulk, deadline, answer)


def _answer(wanted: RerankRequest, scores: NDArray[np.float32]) -> RerankAnswer | list[RankedText]:
    best = np.argsort(-scores, kind="stable")[: wanted.top_n].tolist()
    if wanted.texts:
        shown = scores.tolist() if wanted.raw_scores else _shares(scores)
        return [
            RankedText(index=at, score=shown[at], text=wanted.texts[at] if wanted.return_text else UNSET) for at in best
        ]
    relevance = _shares(scores)
    return RerankAnswer(
        results=[
            RerankResult(
                index=at,
                relevance_score=relevance[at],
                document=RerankedText(wanted.documents[at]) if wanted.return_documents else UNSET,
            )
            for at in best
        ]
    )


def _shares(scores: NDArray[np.float32]) -> Sequence[float]:
    """Return scores, which are logits, as numbers from 0 to 1."""
    shares: list[float] = np.exp(-np.logaddexp(0, -scores.astype(np.float64))).tolist()
    return shares


ROUTES = (
    ApiRoute(
        "/rerank",
        rerank,
        "POST",
        takes=_RERANK,
        answers=RerankAnswer | list[RankedText],
        timed=True,
        example={
            "query": "graph neural networks for molecules",
            "documents": ["Attention in vision.", "Message passing on molecular graphs."],
            "top_n": 1,
        },
    ),
    # The address of Cohere's present client.
    Route("/v2/rerank", rerank, methods=["POST"]),
)
