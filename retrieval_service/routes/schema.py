"""The description of the routes for `/docs` and `/openapi.json`, from the models that read and write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import BaseModel

from retrieval_service.routes.answers import CorpusAnswer, EmbedAnswer, PaperAnswer, SearchAnswer

_ANSWERS = (SearchAnswer, PaperAnswer, CorpusAnswer, EmbedAnswer)
_TIMEOUT = {
    "name": "Akin-Timeout",
    "in": "header",
    "required": False,
    "description": "Seconds that the client waits for the answer; what is not ready then is given up.",
    "schema": {"type": "number"},
}


class ErrorDetail(msgspec.Struct):
    """What went wrong: a code for programs, a message for people, more for programs."""

    code: str
    message: str
    detail: dict[str, Any] | None


class ErrorAnswer(msgspec.Struct):
    """The one shape of every answer that is not a success."""

    error: ErrorDetail


def described(
    *, answer: str, body: type[BaseModel] | None = None, query: type[BaseModel] | None = None, timed: bool = True
) -> dict[str, Any]:
    """What a route's decorator takes to describe its parameters and answers; it changes nothing of what happens."""
    extra: dict[str, Any] = {"parameters": [_TIMEOUT] if timed else []}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": _json(_schema(body))}
    if query is not None:
        properties = _schema(query)["properties"]
        extra["parameters"] = [*(_parameter(name, schema) for name, schema in properties.items()), *extra["parameters"]]
    return {
        "openapi_extra": extra,
        "responses": {
            200: {"description": "Found.", "content": _json(_reference(answer))},
            "4XX": {"description": "The request is wrong.", "content": _json(_reference("ErrorAnswer"))},
            503: {"description": "Not now; see Retry-After.", "content": _json(_reference("ErrorAnswer"))},
        },
    }


def answer_schemas() -> Mapping[str, Any]:
    """The schemas of all answers, by name."""
    _, schemas = msgspec.json.schema_components((*_ANSWERS, ErrorAnswer), ref_template="#/components/schemas/{name}")
    return schemas


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    description = schema.pop("description", "")
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema in one piece: definitions are put where they are referred to."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    for field in schema["properties"].values():
        if reference := field.pop("$ref", None):
            field |= {key: definitions[reference.rpartition("/")[2]][key] for key in ("enum", "type")}
        field.pop("title", None)
    return schema


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
