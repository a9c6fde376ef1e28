"""The service as a load test asks it for what it needs: what it searches, its counters, whether it is ready."""

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
    """What is measured.

    Attributes:
        service: The service's address.
        papers: How many papers it searches.
        source: What they were read from.
        snapshot: Which snapshot of them it is.
        encoder: The encoder's version.
        categories: The papers' categories by code, the largest first, with their names.
        years: The first and the last year of the papers, where known.
    """

    service: str
    papers: int
    source: str
    snapshot: str
    encoder: int
    categories: dict[str, str]
    years: tuple[int, int] | None


def target(service: str, seconds: float = 20.0) -> Target:
    """Waits until the service can answer with all it has, and asks what it searches.

    Raises:
        NothingToSearch: It has nothing to search, or refuses what there is.
        TargetUnreachable: Nobody answers, or not the service, or it had no encoder in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        ready = ask(service, "GET", "/health/ready", also=(503,))
        parts = {name: part.get("status") for name, part in ready.get("components", {}).items()}
        if parts.get("snapshot") == "ok" and parts.get("encoder") == "ok":
            break
        if time.monotonic() > deadline:
            if parts.get("snapshot") != "ok":
                snapshot = ready.get("components", {}).get("snapshot", {})
                if reason := snapshot.get("refused", snapshot).get("reason"):
                    raise NothingToSearch(f"the service at {service} does not trust its index: {reason}")
                raise NothingToSearch(
                    f"the service at {service} has nothing to search: index papers first (CORPUS=file or "
                    "CORPUS=sample does it where no stack runs; otherwise: akin index build sample)."
                )
            raise TargetUnreachable(f"the service at {service} has no encoder; it says: {json.dumps(ready)[:500]}")
        time.sleep(0.5)
    corpus = ask(service, "GET", "/corpus")
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
    """The service's counters; none if it does not give them now.

    Args:
        metrics: Address of its port for operators; None where there is none.
    """
    if metrics is None:
        return {}
    try:
        status, content = _request(metrics, "GET", "/metrics", None)
    except TargetUnreachable:
        return {}
    return prometheus.parse(content.decode("utf-8", "replace")) if status == 200 else {}


def ask(service: str, method: str, path: str, body: dict[str, Any] | None = None, *, also: tuple[int, ...] = ()) -> Any:
    """The JSON answer to one request.

    Args:
        service: Its address.
        method: Of HTTP.
        path: With the query string.
        body: Sent as JSON.
        also: Statuses beside 200 whose body is an answer too.

    Raises:
        TargetUnreachable: There is no such answer.
    """
    status, content = _request(service, method, path, body)
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise TargetUnreachable(f"{service}{path} does not answer in JSON: is that the service?") from error
    if status != 200 and status not in also:
        raise TargetUnreachable(f"{service}{path} answers {status}: {json.dumps(answer)[:300]}")
    if not isinstance(answer, dict):
        raise TargetUnreachable(f"{service}{path} answers no JSON object: is that the service?")
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
            f"the service at {service} does not answer: {why or error}. Does it run (akin status), and at that port?"
        ) from error
    finally:
        connection.close()
