from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from akin.keys import KeyFile
from retrieval_service.app import create_app
from retrieval_service.errors import EffortNotAllowed
from retrieval_service.metrics import Metrics
from retrieval_service.metrics_app import create_metrics_app
from retrieval_service.routes.access import Access, check_effort
from retrieval_service.settings import Settings

PASSED = 500
"""Status of a request that reaches its route: without its life, the application has nothing to answer from."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def key(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that makes a key and returns its text."""
    monkeypatch.setattr("akin.keys.ring._SECONDS_BETWEEN_LOOKS", 0)
    names = iter(range(100))
    KeyFile(place).create("other", ["search"])
    return lambda *scopes, **more: KeyFile(place).create(f"n{next(names)}", scopes, **more)[1]


@pytest.fixture
def client(key: object, place: Path) -> TestClient:
    return client_of(place)


def client_of(place: Path, **settings: Any) -> TestClient:
    app = create_app(Settings(data=place.parent, keys=str(place), **settings))
    return TestClient(app, raise_server_exceptions=False, base_url="http://localhost")


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_without_the_setting_nothing_is_in_the_way(tmp_path: Path) -> None:
    def kinds(app: Starlette) -> list[object]:
        return [each.cls for each in app.user_middleware if isinstance(each, Middleware)]

    (tmp_path / "keys.json").write_text("a file alone turns nothing on")
    off = create_app(Settings(data=tmp_path))
    assert Access not in kinds(off)
    assert Access in kinds(create_app(Settings(data=tmp_path, keys="on")))
    client = TestClient(off, raise_server_exceptions=False, base_url="http://localhost")
    assert client.get("/corpus").status_code == PASSED


@pytest.mark.parametrize("path", ["/health/live", "/docs", "/openapi.json", "/v1/openapi.json"])
def test_health_and_documentation_stay_open(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/search?q=a", "/v1/search?q=a", "/corpus", "/models", "/papers/2401.09032", "/feed?q=a", "/map", "/nowhere", "/",
     "/health/../search", "/health/x", "/v1/v1/docs", "//docs", "/docs/", "/DOCS", "/%64ocs/x"],
)  # fmt: skip
def test_everything_else_needs_a_key(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "key_required")
    assert answer.headers["www-authenticate"] == 'Bearer realm="akin"'
    assert "akin keys create" in answer.json()["error"]["message"]
    assert answer.json()["error"].keys() == {"code", "message", "detail"}
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("search", "/corpus", PASSED),
        ("search", "/search?q=a", PASSED),
        ("search", "/models", PASSED),
        ("search", "/embed", 403),
        ("search", "/rerank", 403),
        ("search", "/v2/rerank", 403),
        ("embed", "/v1/embed", PASSED),
        ("embed", "/models/akin", PASSED),
        ("embed", "/search?q=a", 403),
        ("embed", "/mcp", 403),
        ("admin", "/search?q=a", 403),
        ("admin", "/embed", 403),
    ],
)
def test_a_key_allows_its_scopes_only(
    key: Callable[..., str], client: TestClient, scope: str, path: str, status: int
) -> None:
    text = key(scope)
    method = "GET" if path.startswith(("/search", "/corpus", "/models")) else "POST"
    answer = client.request(method, path, headers=bearer(text))
    assert answer.status_code == status, answer.text
    if status == 403:
        error = answer.json()["error"]
        assert error["code"] == "scope_required"
        assert f"allows {scope}" in error["message"]
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert text not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        lambda text: {"Authorization": f"Bearer {text}"},
        lambda text: {"authorization": f"bearer   {text} "},
        lambda text: {"X-API-Key": text},
        lambda text: {"X-API-Key": text, "Authorization": f"Bearer {text}"},
        # A proxy with a login of its own.
        lambda text: {"X-API-Key": text, "Authorization": "Basic dTpw"},
    ],
)
def test_a_key_may_come_in_two_headers(
    key: Callable[..., str], place: Path, headers: Callable[[str], dict[str, str]]
) -> None:
    assert client_of(place, log_requests=True).get("/corpus", headers=headers(key("search"))).status_code == PASSED


def test_hostile_headers_are_refused_and_repeated_nowhere(
    key: Callable[..., str], place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = key("search")
    client = client_of(place, log_requests=True)
    with caplog.at_level(logging.DEBUG):
        for headers, said in (
            ([("Authorization", "Bearer ")], "empty"),
            ([("Authorization", "Bearer")], "empty"),
            ([("X-API-Key", "")], "empty"),
            ([("Authorization", text)], "does not start with Bearer"),
            ([("Authorization", f"Basic {text}")], "does not start with Bearer"),
            ([("Authorization", f"Bearer: {text}")], "does not start with Bearer"),
            ([("Authorization", f"Bearer {'k' * 10_000}")], "at most 200"),
            ([("Authorization", f"Bearer {text}"), ("X-API-Key", "another")], "several keys"),
            ([("Authorization", f"Bearer {text}"), ("Authorization", "Bearer x")], "several keys"),
            ([("Authorization", f"Bearer {text},{text}")], "not accepted"),
            ([("Authorization", f"Bearer {text}\t")], None),
            ([("Authorization", f"Bearer {text} {text}")], "not accepted"),
            ([("Authorization", b"Bearer \xff\xfe")], "not accepted"),
            ([("X-API-Key", f"{text[:-1]}\x00")], "not accepted"),
            ([("Cookie", f"key={text}")], "has no key"),
        ):
            answer = client.get("/corpus", headers=headers)
            if said is None:
                assert answer.status_code == PASSED
                continue
            assert answer.status_code == 401, headers
            assert said in answer.json()["error"]["message"]
            assert text not in answer.text + str(answer.headers)
            assert answer.headers["connection"] == "close"
    # The test's own client logs addresses; no line has a key.
    assert text.rpartition("_")[2] not in caplog.text


@pytest.mark.parametrize("name", ["api_key", "api-key", "APIKEY", "x-api-key", "access_token", "authorization"])
def test_a_key_in_the_address_is_refused_in_words(key: Callable[..., str], place: Path, name: str) -> None:
    text = key("search")
    client = client_of(place)
    for query in (f"{name}={text}", f"q=a&{name}=x", f"q={text}"):
        answer = client.get(f"/search?{query}", headers=bearer(text))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "key_in_address")
        assert "rotate" in answer.json()["error"]["message"]
        assert text not in answer.text
    assert client.get("/search?q=akin_papers+api_key", headers=bearer(text)).status_code == PASSED


def test_a_revoked_key_is_refused_without_a_restart(key: Callable[..., str], place: Path) -> None:
    text = key("search")
    client = client_of(place)
    assert client.get("/corpus", headers=bearer(text)).status_code == PASSED
    KeyFile(place).revoke("n0")
    answer = client.get("/corpus", headers=bearer(text))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "key_not_accepted")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_keys_that_cannot_be_read_close_the_service_but_not_its_health(key: Callable[..., str], place: Path) -> None:
    text = key("search")
    place.write_text("{")
    client = client_of(place)
    answer = client.get("/corpus", headers=bearer(text))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "keys_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert str(place) not in answer.text
    assert client.get("/health/live").status_code == 200


def test_the_operators_port_needs_the_scope_admin(key: Callable[..., str], place: Path) -> None:
    admin, search = key("admin"), key("search")
    app = create_app(Settings(data=place.parent, keys=str(place)))
    port = TestClient(create_metrics_app(Settings(), Metrics(), app.state.keys), base_url="http://localhost")
    assert port.get("/metrics", headers=bearer(admin)).status_code == 200
    assert port.get("/metrics", headers=bearer(search)).status_code == 403
    assert port.get("/metrics").status_code == 401
    assert port.get("/health/live").status_code == 401
    assert port.get("/v1/drift", headers=bearer(search)).status_code == 403
    assert port.get("/v1/drift", headers=bearer(admin)).status_code == 404  # there is no report
    open_port = TestClient(create_metrics_app(Settings(), Metrics()), base_url="http://localhost")
    assert open_port.get("/metrics").status_code == 200


def test_a_request_without_a_key_has_the_bound_of_the_service_alone() -> None:
    check_effort({}, SimpleNamespace(search_effort=1024))
    with pytest.raises(EffortNotAllowed):
        check_effort({"akin.key": SimpleNamespace(nprobe=1, name="a")}, SimpleNamespace(search_effort=2))
