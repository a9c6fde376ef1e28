"""Vectors of texts, as OpenAI's clients ask for them."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, cast

import msgspec
import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.errors import InvalidParameter
from retrieval_service.ports import EmbeddingBatch, EncoderIdentity, InputType, Vectors
from retrieval_service.routes.costs import several
from retrieval_service.routes.models import ANY_ENCODER, check_encoder_name
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.rate_limit import charge
from retrieval_service.routes.state import answer_in_turn, deadline_of, service_state
from retrieval_service.search.many_texts import FEW_TEXTS, embed_many
from retrieval_service.search.parameters import LONGEST_QUERY, Number, replace_unprintable
from retrieval_service.threads import Job

MOST_TEXTS = 2048
"""Texts of one request; as many as OpenAI's clients send at most."""
MOST_CHARACTERS = 4_000_000
"""Characters of all texts of one request together."""
UNCOMPRESSED = ("/embeddings",)
"""Paths of answers that compression makes hardly smaller, as they are numbers."""
_LONGEST_BODY = 8 << 20
_encode = msgspec.json.Encoder().encode


def check_texts(value: object, name: str, most: int) -> list[str]:
    """Return the texts of a parameter, without control characters.

    Raises:
        InvalidParameter: It is not a list of texts, or there is none, or there are too many; or one is blank or too
            long, or all together are.
    """

    def refuse(problem: str, **detail: object) -> InvalidParameter:
        return InvalidParameter(f"{name}{problem}", {"parameter": name, **detail})

    texts: list[Any] = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if not texts:
        raise refuse(" must be a text or a list of texts, and not empty.")
    if name == "input" and isinstance(texts[0], int | list) and not isinstance(texts[0], bool):
        raise refuse(
            " has token ids; only texts are read, as each model has tokens of its own. OpenAIEmbeddings of "
            "langchain-openai sends texts with check_embedding_ctx_length=False."
        )
    if len(texts) > most:
        raise refuse(f" has {len(texts)} texts; at most {most} are read. Send several requests.", limit=most)
    total = 0
    for at, text in enumerate(texts):
        place = "" if isinstance(value, str) else f"[{at}]"
        if not isinstance(text, str):
            raise refuse(f"{place} must be a text.")
        if not text.strip():
            raise refuse(f"{place} is blank: leave it out, as a blank text has no vector.", index=at)
        if len(text) > LONGEST_QUERY:
            raise refuse(
                f"{place} has {len(text)} characters; at most {LONGEST_QUERY} are read. Send a shorter text.",
                index=at,
                limit=LONGEST_QUERY,
            )
        total += len(text)
    if total > MOST_CHARACTERS:
        raise refuse(
            f" has {total} characters in all; at most {MOST_CHARACTERS} are read. Send several requests.",
            limit=MOST_CHARACTERS,
        )
    cleaned = [replace_unprintable(text).strip() for text in texts]
    if "" in cleaned:
        at = cleaned.index("")
        raise refuse(f"{'' if isinstance(value, str) else f'[{at}]'} has control characters only.", index=at)
    return cleaned


_TEXT_OR_TEXTS = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": LONGEST_QUERY},
            {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_QUERY},
                "minItems": 1,
                "maxItems": MOST_TEXTS,
            },
        ]
    }
)


@dataclass(frozen=True, kw_only=True)
class EmbeddingsRequest:
    """Texts to embed, as OpenAI's clients send them."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    input: Annotated[
        tuple[str, ...],
        BeforeValidator(lambda value: check_texts(value, "input", MOST_TEXTS)),
        _TEXT_OR_TEXTS,
        Field(
            description=f"A text, or up to {MOST_TEXTS} of them: each of at most {LONGEST_QUERY} characters, together "
            f"of at most {MOST_CHARACTERS}. Of a text that is longer than the encoder reads, the beginning is embedded."
        ),
    ]
    model: Annotated[
        str | None,
        StringConstraints(max_length=200),
        Field(description="Name of the encoder in `GET /models`, or its digest; by default the one that is served."),
    ] = None
    encoding_format: Annotated[
        Literal["float", "base64"] | None,  # some clients send null for what they leave out
        Field(description="`float` for lists of numbers; `base64` for the same as little-endian float32 in Base64."),
    ] = "float"
    dimensions: Annotated[
        Number | None,
        Field(description="Length of the vectors, where the encoder allows a shorter one (`GET /models`).", ge=1),
    ] = None
    input_type: Annotated[
        InputType,
        Field(
            description="How the encoder takes the texts: as passages that are to be found, or as queries. It matters "
            "for encoders with prompts only; OpenAI's clients send it as `extra_body`."
        ),
    ] = "passage"
    user: Annotated[Any, Field(description="Ignored.")] = None


class Embedding(msgspec.Struct, kw_only=True):
    """Vector of one text; `index` is the text's place in the request."""

    object: str = "embedding"
    index: int
    embedding: list[float] | str


class Usage(msgspec.Struct):
    """Tokens that the encoder read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(msgspec.Struct, kw_only=True):
    """Vectors of unit length, in the order of the texts; `truncated` are the places of texts that were cut."""

    object: str = "list"
    data: list[Embedding]
    model: str
    usage: Usage
    truncated: list[int]


_EMBEDDINGS = Parameters(EmbeddingsRequest, _LONGEST_BODY)


async def embeddings(request: Request) -> Response:
    """Return the vectors of texts, in the form that OpenAI's clients read."""
    state = service_state(request)
    deadline = deadline_of(request, state.bulk_seconds)
    wanted = await _EMBEDDINGS.parse_body(request)
    charge(request.scope, several(len(wanted.input), FEW_TEXTS))

    async def answer() -> Response:
        encoder = await state.live.encoder_identity()
        if wanted.model is not None:
            check_encoder_name(wanted.model, encoder)
        length = _length(wanted.dimensions, encoder)
        embedded = await embed_many(state.live, wanted.input, wanted.input_type, encoder)
        written = await Job(
            state.read_threads, _write, embedded, encoder, length, wanted.encoding_format or "float"
        ).result()
        return Response(written, media_type="application/json")

    turns = state.bulk
    if len(wanted.input) <= FEW_TEXTS:
        turns, deadline = state.searches, min(deadline, deadline_of(request))
    return await answer_in_turn(request, turns, deadline, answer)


def _length(wanted: int | None, encoder: EncoderIdentity) -> int:
    if wanted is None or wanted in (encoder.dim, *encoder.dimensions):
        return wanted or encoder.dim
    others = ", ".join(map(str, encoder.dimensions))
    reason = f"may be cut to {others}" if others else "may not be cut, as it was not trained for that (Matryoshka)"
    raise InvalidParameter(
        f"dimensions is {wanted}; the vectors of {encoder.name} have {encoder.dim} dimensions, and {reason}.",
        {"parameter": "dimensions", "dim": encoder.dim, "dimensions": list(encoder.dimensions)},
    )


def _write(embedded: EmbeddingBatch, encoder: EncoderIdentity, length: int, form: str) -> bytes:
    """Return the answer as JSON, written row by row, so that the event loop gets its turns between."""
    read = embedded.tokens if encoder.max_length is None else np.minimum(embedded.tokens, encoder.max_length)
    vectors = embedded.vectors if length == encoder.dim else _cut(embedded.vectors, length)
    total = int(read.sum())
    return _encode(
        EmbeddingsAnswer(
            data=[
                Embedding(index=at, embedding=cast(str, msgspec.Raw(_encode(_number_list(row, form)))))
                for at, row in enumerate(vectors)
            ],
            model=encoder.name,
            usage=Usage(total, total),
            truncated=np.flatnonzero(read < embedded.tokens).tolist(),
        )
    )


def _cut(vectors: Vectors, length: int) -> Vectors:
    """Return the beginnings of vectors as vectors of unit length."""
    shorter = vectors[:, :length]
    return np.asarray(shorter / np.maximum(np.linalg.norm(shorter, axis=1, keepdims=True), 1e-12), np.float32)


def _number_list(vector: Vectors, form: str) -> list[float] | str:
    return b64encode(vector.astype("<f4").tobytes()).decode() if form == "base64" else vector.tolist()


ROUTES = (
    ApiRoute(
        "/embeddings",
        embeddings,
        "POST",
        takes=_EMBEDDINGS,
        answers=EmbeddingsAnswer,
        timed=True,
        example={"input": ["Graph neural networks for molecules.", "Attention in vision."], "model": ANY_ENCODER},
    ),
)
