"""OpenAPI document of the routes, from the models that they read and write."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from pydantic import TypeAdapter
from starlette.routing import BaseRoute, Route

from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.state import LEAST_TIMEOUT
from retrieval_service.routes.version_prefix import PREFIX

_DESCRIPTION = "Finds the papers akin to a question, an abstract or a paper."
_REFERENCE = "#/components/schemas/{name}"
_TIMEOUT = {
    "name": "Akin-Timeout",
    "in": "header",
    "required": False,
    "description": "Seconds that the client waits for the answer; then the work is given up.",
    "schema": {"type": "number", "minimum": LEAST_TIMEOUT},
}


class ErrorDetail(msgspec.Struct):
    """Error: a code for programs, a message for readers, and details for programs."""

    code: str
    message: str
    detail: dict[str, Any] | None


class ErrorAnswer(msgspec.Struct):
    """The one shape of every answer that is not a success."""

    error: ErrorDetail


class ApiRoute(Route):
    """Route with its place in the OpenAPI document; the docstring of its endpoint is its description."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *methods: str,
        takes: Parameters[Any] | None = None,
        answers: Any = None,
        timed: bool = False,
        example: Mapping[str, Any] | None = None,
    ) -> None:
        """Take a route.

        Args:
            path: Its path.
            endpoint: The function that answers.
            methods: Its HTTP methods; GET if none is given. HEAD is answered wherever GET is.
            takes: Its parameters, in the body of a POST and in the address of a GET.
            answers: Type of the answer, if that is JSON.
            timed: True if a request may shorten its deadline.
            example: Parameters of a request, those in the path included.
        """
        super().__init__(path, endpoint, methods=methods or ("GET",))
        self.verbs = methods or ("GET",)
        self.takes, self.answers, self.timed = takes, answers, timed
        self.example = dict(example or {})

    def operation(self, method: str, schemas: Mapping[str, Any], answers: Mapping[Any, Any]) -> dict[str, Any]:
        """Return the OpenAPI operation of a method, given the schemas of all models and of all answers."""
        name = self.endpoint.__name__
        found: dict[str, Any] = {
            "tags": [self.endpoint.__module__.rpartition(".")[2]],
            "summary": name.replace("_", " ").capitalize(),
            "description": inspect.getdoc(self.endpoint),
            "operationId": f"{name}_{method.lower()}",
        }
        parameters: list[dict[str, Any]] = [
            {"name": each, "in": "path", "required": True, "schema": {"type": "string"}}
            for each in self.param_convertors
        ]
        if self.takes and method == "POST":
            content = _json({"$ref": _REFERENCE.format(name=self.takes.model.__name__)})
            if self.example:
                content["application/json"]["example"] = self.example
            found["requestBody"] = {"required": True, "content": content}
        elif self.takes:
            parameters += [
                {"name": each, "in": "query", "required": False, "description": schema["description"], "schema": schema}
                for each, schema in schemas[self.takes.model.__name__]["properties"].items()
            ]
        for each in parameters:
            if each["name"] in self.example:
                each["example"] = self.example[each["name"]]
        found["parameters"] = [*parameters, *([_TIMEOUT] if self.timed else [])]
        found["responses"] = {"200": {"description": "Successful response."}}
        if self.answers:
            found["responses"]["200"] = {"description": "Found.", "content": _json(answers[self.answers])}
        if self.answers or self.takes or parameters:
            failed = _json(answers[ErrorAnswer])
            later = "Temporarily unavailable; repeat after the seconds in Retry-After."
            found["responses"] |= {
                "4XX": {"description": "The request is wrong.", "content": failed},
                "503": {"description": later, "content": failed},
            }
        return found


def openapi(routes: Iterable[BaseRoute], root_path: str = "") -> dict[str, Any]:
    """Return the OpenAPI document of those routes that are an `ApiRoute`, published below a path."""
    documented = [route for route in routes if isinstance(route, ApiRoute)]
    answers = [ErrorAnswer, *dict.fromkeys(route.answers for route in documented if route.answers)]
    shown, schemas = msgspec.json.schema_components(answers, ref_template=_REFERENCE)
    answer_schemas = dict(zip(answers, shown, strict=True))
    takes = dict.fromkeys(route.takes for route in documented if route.takes)
    _, definitions = TypeAdapter.json_schemas(
        [(each.model.__name__, "validation", each.adapter) for each in takes],
        ref_template=_REFERENCE.replace("name", "model"),
    )
    schemas |= definitions["$defs"]
    paths: dict[str, Any] = {}
    for route in documented:
        for method in route.verbs:
            paths.setdefault(route.path_format, {})[method.lower()] = route.operation(method, schemas, answer_schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Akin", "description": _DESCRIPTION, "version": "1"},
        "servers": [{"url": f"{root_path}{PREFIX}"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
