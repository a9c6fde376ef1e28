"""Errors of every kind are answered in the one shape."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from retrieval_service import errors
from retrieval_service.routes.error_handlers import ERROR_HANDLERS
from tests.unit.retrieval_service.test_redaction import every


@pytest.fixture
def client() -> TestClient:
    async def fail(request: Request) -> Any:
        name = request.path_params["name"]
        if name == "bug":
            raise KeyError("a secret path")
        raise getattr(errors, name)("In words.", {"more": 1})

    app = Starlette(routes=[Route("/raise/{name}", fail)], exception_handlers=ERROR_HANDLERS)
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("kind", [errors.NoSnapshot, errors.EncoderBusy, errors.UnknownPaper, errors.WrongContentType])
def test_service_errors(client: TestClient, kind: type[errors.RetrievalError]) -> None:
    answer = client.get(f"/raise/{kind.__name__}")
    assert answer.status_code == kind.status
    assert answer.json() == {"error": {"code": kind.code, "message": "In words.", "detail": {"more": 1}}}
    assert ("retry-after" in answer.headers) == (kind.status == 503)


def test_an_unexpected_error_shows_no_internals(client: TestClient) -> None:
    answer = client.get("/raise/bug")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text


def test_the_drawn_tree_has_every_error() -> None:
    drawn = errors.__doc__ or ""
    for kind in every(errors.RetrievalError)[1:]:
        assert f"─ {kind.__name__} " in drawn
        assert kind.__doc__
