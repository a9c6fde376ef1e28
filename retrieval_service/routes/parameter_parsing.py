"""Parameters of a request, from its query string or its JSON body, as a validated model."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from pydantic import AliasChoices, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from starlette.requests import Request

from akin.edge import BodyTooLong, ClientLeft, SlowBody, TooManyBodies, limited_body
from retrieval_service.errors import (
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    InvalidJson,
    InvalidParameter,
    Overloaded,
    WrongContentType,
)
from retrieval_service.routes.access import check_effort
from retrieval_service.routes.state import service_state

Model = TypeVar("Model")

# The longest query, with every letter escaped as a pair of \uXXXX, is a quarter of it.
_LONGEST_BODY = 1 << 20
_LARGE_BODY = 1 << 18
_LONG_AT_ONCE = 16  # bodies above `_LONGEST_BODY` that are received at once, so that they fill no memory
_MOST_FIELDS = 4000  # of an address; all lists together are shorter
_LONGEST_NAME = 40  # characters of a name that an error repeats
_decode = msgspec.json.Decoder().decode


class Parameters(Generic[Model]):
    """Names of a model's parameters in HTTP, and their validation.

    Attributes:
        model: The model.
        adapter: Validates the model and describes it as a JSON schema.
        names: All names, in the order of the fields.
        lists: Names that take a list.
    """

    def __init__(self, model: type[Model], longest_body: int = _LONGEST_BODY) -> None:
        """Take the model, and the most bytes of a body with its parameters."""
        self.model = model
        self._longest_body = longest_body
        self._long_bodies = 0
        self.adapter = TypeAdapter(model)
        aliases, lists = [], []
        self._names_of: dict[str, str] = {}
        for field, hint in get_type_hints(model, include_extras=True).items():
            if not (annotations := getattr(hint, "__metadata__", ())):
                continue  # the configuration of the model
            choices = [
                alias.choices
                for each in annotations
                if isinstance(each, FieldInfo) and isinstance(alias := each.validation_alias, AliasChoices)
            ]
            aliases.append([str(name) for name in choices[0]] if choices else [field])
            self._names_of[field] = aliases[-1][0]
            lists += aliases[-1] if get_origin(get_args(hint)[0]) is tuple else []
        self.names = [name for names in aliases for name in names]
        self.lists = frozenset(lists)
        self._aliases = [names for names in aliases if len(names) > 1]

    def validate(self, values: Mapping[str, Any]) -> Model:
        """Return the model of values by their names in HTTP.

        Raises:
            InvalidParameter: A name is unknown or given twice, or a value is wrong.
        """
        for names in self._aliases:
            given = [name for name in names if name in values]
            if len(given) > 1:
                raise InvalidParameter(
                    f"{' and '.join(given)} are names of the same parameter; give one.", {"parameter": given[1]}
                )
        try:
            return self.adapter.validate_python(values)
        except ValidationError as error:
            raise self._explain(error) from None

    def values(self, model: Model) -> dict[str, Any]:
        """Return the values of a model by their first names in HTTP, without those that are the defaults."""
        return {
            self._names_of[field]: value
            for field, value in self.adapter.dump_python(model, mode="json", exclude_defaults=True).items()
        }

    def query_values(self, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Return the values of a query string, with a list for each name that takes one.

        Raises:
            InvalidParameter: A name that takes no list is given more than once.
        """
        values: dict[str, Any] = {}
        for name, value in pairs:
            if name in self.lists:
                values.setdefault(name, []).append(value)
            elif name in values:
                shown = name[:_LONGEST_NAME]
                raise InvalidParameter(f"{shown} is given more than once.", {"parameter": shown})
            else:
                values[name] = value
        return values

    def parse_query_string(self, request: Request) -> Model:
        """Return the model of a request's query string.

        Raises:
            InvalidParameter: A name is unknown or given twice, a value is wrong, or there are too many.
            EffortNotAllowed: The key of the request allows a smaller `search_effort` only.
        """
        if request.scope["query_string"].count(b"&") >= _MOST_FIELDS:
            raise InvalidParameter(f"The address has more than {_MOST_FIELDS} parameters.", {"limit": _MOST_FIELDS})
        model = self.validate(self.query_values(request.query_params.multi_items()))
        check_effort(request.scope, model)
        return model

    async def parse_body(self, request: Request) -> Model:
        """Return the model of a request's JSON body.

        Raises:
            WrongContentType: The body is declared as something other than JSON, or as nothing.
            BodyTooLarge: The body is longer than any valid request; the rest of it is not read.
            BodyTooSlow: The body does not arrive in time.
            ClientGone: The client closed the connection.
            Overloaded: The body may be long, and too many long ones are received at the moment.
            InvalidJson: The body is not JSON, or not an object.
            InvalidParameter: A name is unknown or given twice, or a value is wrong.
            EffortNotAllowed: The key of the request allows a smaller `search_effort` only.
        """
        if self._longest_body <= _LONGEST_BODY or _declared_length(request) <= _LONGEST_BODY:
            return await self._receive(request)
        if self._long_bodies >= _LONG_AT_ONCE:
            error = Overloaded(
                f"The service receives {_LONG_AT_ONCE} long requests already; repeat the request in a moment, or send "
                f"less than {_LONGEST_BODY} bytes with a Content-Length.",
                {"limit": _LONG_AT_ONCE},
            )
            service_state(request).metrics.record_refusal(error)
            raise error
        self._long_bodies += 1
        try:
            return await self._receive(request)
        finally:
            self._long_bodies -= 1

    async def _receive(self, request: Request) -> Model:
        body = await json_body(request, self._longest_body)
        # Megabytes of texts take a tenth of a second, in which other requests are to be answered.
        model = await asyncio.to_thread(self._read, body) if len(body) > _LARGE_BODY else self._read(body)
        check_effort(request.scope, model)
        return model

    def _read(self, body: bytes) -> Model:
        try:
            content = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidJson(f"The body is not JSON: {error}.") from None
        except RecursionError:
            raise InvalidJson("The body is not JSON that can be read: it is nested too deeply.") from None
        if not isinstance(content, dict):
            raise InvalidJson('The body must be a JSON object, such as {"query": "graph neural networks"}.')
        return self.validate(content)

    def _explain(self, error: ValidationError) -> InvalidParameter:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(first["loc"][0])[:_LONGEST_NAME]
        if len(first["loc"]) > 2:  # in an object of a list
            place, inner = first["loc"][1:3]
            name = f"{name}[{place}].{str(inner)[:_LONGEST_NAME]}"
            if first["type"] == "unexpected_keyword_argument":
                return InvalidParameter(f"There is no parameter {name!r}.", {"parameter": name})
        if first["type"] == "missing":
            return InvalidParameter(f"The parameter {name} is missing.", {"parameter": name})
        if first["type"] == "dataclass_type":
            return InvalidParameter(f"{name} must have objects only.", {"parameter": name})
        if first["type"] == "unexpected_keyword_argument":
            near = get_close_matches(name, self.names, 1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(self.names)}."
            return InvalidParameter(f"There is no parameter {name!r}. {hint}", {"parameter": name, "near": near})
        problem = re.sub(r"^\w+ should ", "must ", first["msg"].removeprefix("Value error, ").rstrip("."))
        if not problem.startswith("must"):
            problem = f"is wrong: {problem}"
        return InvalidParameter(f"{name} {problem}.", {"parameter": name})


def _declared_length(request: Request) -> float:
    """Return the length of a body; infinity if it is sent in pieces without one."""
    given = request.headers.get("content-length", "")
    return float(given) if given.isdecimal() and given.isascii() else math.inf


async def json_body(request: Request, most: int = _LONGEST_BODY) -> bytes:
    """Return the body of a request, which must be declared as JSON.

    Raises:
        WrongContentType: It is declared as something other than JSON, or as nothing.
        BodyTooLarge: It is longer than `most` bytes; the rest of it is not read.
        BodyTooSlow: It does not arrive in time.
        ClientGone: The client closed the connection.
        Overloaded: The bodies that arrive at the same time are too long together.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise WrongContentType(
            f"The body must be sent as application/json, not {kind[:60] or 'nothing'}.", {"content_type": kind[:60]}
        )
    state = service_state(request)
    try:
        return await limited_body(request.scope, request.receive, most, state.body_seconds)
    except BodyTooLong:
        raise BodyTooLarge(f"The body is longer than {most} bytes.", {"limit": most}) from None
    except ClientLeft:
        raise ClientGone from None
    except TooManyBodies:
        busy = Overloaded("The service receives too many long requests; repeat the request in a moment.")
        state.metrics.record_refusal(busy)
        raise busy from None
    except SlowBody:
        seconds = state.body_seconds
        error = BodyTooSlow(f"The body did not arrive within {seconds:g} s.", {"seconds": seconds})
        state.metrics.record_refusal(error)
        raise error from None
