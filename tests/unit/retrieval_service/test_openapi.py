"""The OpenAPI document is complete, and refers to nothing that it lacks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.routing import Route
from starlette.testclient import TestClient

from retrieval_service.app import create_app
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.search.request import SearchRequest
from retrieval_service.settings import Settings


@pytest.fixture
def document(tmp_path: Path) -> Any:
    # Nothing is opened unless the application's lifespan is entered; documentation needs nothing.
    return TestClient(create_app(Settings(data=tmp_path))).get("/openapi.json").json()


def test_every_route_for_clients_is_described(document: Any) -> None:
    assert {path: sorted(methods) for path, methods in document["paths"].items()} == {
        "/search": ["get", "post"],
        "/searches": ["post"],
        "/feed": ["get"],
        "/feedback": ["post"],
        "/export": ["get", "post"],
        "/papers/{paper_id}/similar": ["get"],
        "/papers/{paper_id}/citation": ["get"],
        "/papers/{paper_id}/references": ["get"],
        "/papers/{paper_id}/cited-by": ["get"],
        "/papers/{paper_id}/neighbourhood": ["get"],
        "/citations": ["post"],
        "/papers": ["post"],
        "/references/resolve": ["post"],
        "/lists/missing": ["post"],
        "/papers/{paper_id}": ["get"],
        "/corpus": ["get"],
        "/embed": ["post"],
        "/embeddings": ["post"],
        "/rerank": ["post"],
        "/models": ["get"],
        "/models/{model_id}": ["get"],
        "/map": ["get"],
        "/map/tiles/{tile}": ["get"],
        "/map/points": ["get"],
        "/map/near": ["get"],
        "/health": ["get"],
        "/health/live": ["get"],
        "/health/ready": ["get"],
    }


def test_a_root_path_is_in_the_document_and_in_the_examples(tmp_path: Path) -> None:
    client = TestClient(
        create_app(Settings(data=tmp_path, service_root_path="/papers-api")), base_url="https://testserver"
    )
    document = client.get("/openapi.json").json()
    assert document["servers"] == [{"url": "/papers-api/v1"}]
    assert "/search" in document["paths"]
    examples = client.get("/docs").text
    assert "https://testserver/papers-api/v1/search?q=" in examples
    # The link holds below any path.
    assert 'href="openapi.json"' in examples


def test_without_a_root_path_the_server_is_the_version_of_the_interface(document: Any, tmp_path: Path) -> None:
    assert document["servers"] == [{"url": "/v1"}]
    client = TestClient(create_app(Settings(data=tmp_path)))
    assert "http://testserver/v1/search?q=" in client.get("/docs").text


def test_no_route_can_be_the_root_path(tmp_path: Path) -> None:
    routes = [route for route in create_app(Settings(data=tmp_path)).routes if isinstance(route, Route)]
    assert len(routes) >= 10
    for route in routes:
        with pytest.raises(ValidationError, match="address of the server itself"):
            Settings(data=tmp_path, service_root_path=re.sub(r"\{[^}]*\}", "x", route.path))


def test_references_resolve(document: Any) -> None:
    references = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)))
    assert {"SearchRequest", "SearchAnswer", "ErrorAnswer"} <= references <= document["components"]["schemas"].keys()


def test_get_and_post_take_the_same_parameters_and_each_is_explained(document: Any) -> None:
    search = document["paths"]["/search"]
    query = {each["name"]: each for each in search["get"]["parameters"] if each["in"] == "query"}
    body = document["components"]["schemas"]["SearchRequest"]["properties"]
    assert query.keys() == body.keys() <= set(Parameters(SearchRequest).names)
    assert all(each["description"] for each in (*query.values(), *body.values()))
    assert [each["name"] for each in search["post"]["parameters"]] == ["Akin-Timeout"]


def test_every_route_that_takes_something_has_an_example_that_it_accepts(tmp_path: Path) -> None:
    routes = [route for route in create_app(Settings(data=tmp_path)).routes if isinstance(route, ApiRoute)]
    assert len(routes) >= 15
    for route in routes:
        given = dict(route.example)
        for name in route.param_convertors:
            assert given.pop(name), route.path
        if route.takes is not None:
            assert route.takes.validate(given), route.path
        else:
            assert not given, route.path


def test_examples_are_in_the_document(document: Any) -> None:
    body = document["paths"]["/searches"]["post"]["requestBody"]["content"]["application/json"]
    assert body["example"]["searches"][0]["query"]
    shown = {each["name"]: each.get("example") for each in document["paths"]["/search"]["get"]["parameters"]}
    assert (shown["query"], shown["k"], shown["offset"]) == ("graph neural networks", 3, None)
