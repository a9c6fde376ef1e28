"""Client of Akin's HTTP interface: `Client`, and `AsyncClient` for asyncio.

    with Client("http://127.0.0.1:8080") as client:
        for paper in client.search_all("graph neural networks for molecules", limit=200):
            print(paper["id"], paper["title"])

Answers are the service's JSON as typed dictionaries (`akin_client.answers`), so that new fields are there at once.
Errors are those of `akin_client.errors`.
"""

from akin_client.answers import (
    CorpusAnswer,
    FeedbackAnswer,
    LinkedPapers,
    MapAnswer,
    MapPoints,
    MissingAnswer,
    Model,
    Neighbourhood,
    Paper,
    PapersAnswer,
    RerankResult,
    ResolveAnswer,
    Result,
    SearchAnswer,
    TextVector,
    Vectors,
)
from akin_client.async_client import AsyncClient
from akin_client.client import Client
from akin_client.errors import (
    AkinError,
    AnswerError,
    BadRequest,
    CannotConnect,
    CursorExpired,
    NotAllowed,
    NotFound,
    RateLimited,
    ServiceError,
    Unavailable,
)

__all__ = [
    "AkinError",
    "AnswerError",
    "AsyncClient",
    "BadRequest",
    "CannotConnect",
    "Client",
    "CorpusAnswer",
    "CursorExpired",
    "FeedbackAnswer",
    "LinkedPapers",
    "MapAnswer",
    "MapPoints",
    "MissingAnswer",
    "Model",
    "Neighbourhood",
    "NotAllowed",
    "NotFound",
    "Paper",
    "PapersAnswer",
    "RateLimited",
    "RerankResult",
    "ResolveAnswer",
    "Result",
    "SearchAnswer",
    "ServiceError",
    "TextVector",
    "Unavailable",
    "Vectors",
]
