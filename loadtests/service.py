"""Get facts from the service: its corpus, its counters, its readiness."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from loadtests import prometheus
from loadtests.errors import NothingToSearch, TargetUnreachable

_SECONDS = 10.0


@dataclass(frozen=True)
class Target:
    """Service under measurement, and its corpus.

    Attributes:
        service: The service's address.
        papers: The number of papers.
        source: The source of the papers.
        snapshot: The id of the snapshot.
        encoder: The encoder's version.
        categories: The names of the papers' categories by code, the largest category first.
        years: The first and the last year of the papers, if known.
    """

    service: str
    papers: int
    source: str
    snapshot: str
    encoder: int
    categories: dict[str, str]
    years: tuple[int, int] | None


def target(service: str, seconds: float = 20.0) -> Target:
    """Wait until the service has its snapshot and its encoder, and return the facts about it.

    Raises:
        NothingToSearch: The service has no snapshot, or refuses it.
        TargetUnreachable: The service does not answer, or has no encoder in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        ready = request_json(service, "GET", "/health/ready", also=(503,))
        parts = {name: part.get("status") for name, part in ready.get("components", {}).items()}
        if parts.get("snapshot") == "ok" and parts.get("encoder") == "ok":
            break
        if time.monotonic() > deadline:
            if parts.get("snapshot") != "ok":
                snapshot = ready.get("components", {}).get("snapshot", {})
                if reason := snapshot.get("refused", snapshot).get("reason"):
                    raise NothingToSearch(f"the service at {service} cannot use its index: {reason}")
                raise NothingToSearch(
                    f"the service at {service} has nothing to search: index papers first (CORPUS=file or "
                    "CORPUS=sample do it if no stack runs; else: akin index build sample)."
                )
            raise TargetUnreachable(f"the service at {service} has no encoder; its answer: {json.dumps(ready)[:500]}")
        time.sleep(0.5)
    corpus = request_json(service, "GET", "/corpus")
    first, newest = corpus.get("first"), corpus.get("newest")
    return Target(
        service=service,
        papers=corpus["papers"],
        source=corpus["source"],
        snapshot=corpus["snapshot"],
        encoder=corpus["encoder"]["version"],
        categories={each["code"]: each["name"] for each in corpus["categories"]},
        years=(int(first[:4]), int(newest[:4])) if first and newest else None,
    )


def counters(metrics: str | None) -> prometheus.Series:
    """Return the service's counters; empty if they cannot be read.

    Args:
        metrics: The address of the service's port for metrics; None if it has none.
    """
    if metrics is None:
        return {}
    try:
        status, content = _request(metrics, "GET", "/metrics", None)
        return prometheus.parse(content.decode("utf-8", "replace")) if status == 200 else {}
    except (TargetUnreachable, ValueError):
        return {}


def request_json(
    service: str, method: str, path: str, body: dict[str, Any] | None = None, *, also: tuple[int, ...] = ()
) -> Any:
    """Send one request and return the JSON object of the answer.

    Args:
        service: The service's address.
        method: The HTTP method.
        path: The path with the query string.
        body: The body, which is sent as JSON.
        also: Statuses that are accepted beside 200.

    Raises:
        TargetUnreachable: There is no such answer.
    """
    status, content = _request(service, method, path, body)
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise TargetUnreachable(f"{service}{path} does not answer with JSON: check the service's address") from error
    if status != 200 and status not in also:
        raise TargetUnreachable(f"{service}{path} answers {status}: {json.dumps(answer)[:300]}")
    if not isinstance(answer, dict):
        raise TargetUnreachable(f"{service}{path} does not answer with a JSON object: check the service's address")
    return answer


def _request(service: str, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
    address = urlsplit(service)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=_SECONDS)
    try:
        connection.request(
            method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        why = error.strerror if isinstance(error, OSError) else f"not in HTTP ({type(error).__name__})"
        raise TargetUnreachable(
            f"the service at {service} does not answer: {why or error}. Check that it runs, and its port (akin status)."
        ) from error
    finally:
        connection.close()
