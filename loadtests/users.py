"""Simulated users for Locust: readers, users who paste abstracts, API clients, and clients of Triton."""

from __future__ import annotations

import time
from typing import Any, ClassVar
from urllib.parse import quote

from locust import FastHttpUser, User, between, task

from loadtests.queries import QuerySource
from loadtests.requests import failure_reason
from loadtests.service import Target
from loadtests.triton import EmbeddingFailed, EncoderChannel

SECONDS_TO_ANSWER = 15.0


class ServiceUser(FastHttpUser):
    """User of the service's HTTP interface, with a connection of its own."""

    abstract = True
    connection_timeout = SECONDS_TO_ANSWER
    network_timeout = SECONDS_TO_ANSWER
    queries: ClassVar[QuerySource]
    target: ClassVar[Target]

    def send(self, kind: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one request, recorded by the name of its kind; return the answer, or None if it failed."""
        with self.client.request(method, path, json=body, name=kind, catch_response=True) as answer:
            wrong = failure_reason(answer.status_code, answer.content)
            if wrong:
                answer.failure(wrong if answer.status_code else str(answer.error or wrong))
                return None
            return answer


class ReferenceUser(ServiceUser):
    """Standard mix of requests, for comparisons: 5 short searches, 3 long ones, 2 embeddings, 1 health check."""

    wait_time = between(0.5, 2.5)

    @task(5)
    def short_search(self) -> None:
        """Search for a few words."""
        self.send("short search", "POST", "/search", {"query": self.queries.short(), "k": 10})

    @task(3)
    def long_search(self) -> None:
        """Search for papers like an abstract."""
        self.send("long search", "POST", "/search", {"abstract": self.queries.long(), "k": 10})

    @task(2)
    def embed(self) -> None:
        """Get the vector of an abstract."""
        self.send("embed", "POST", "/embed", {"abstract": self.queries.long()})

    @task(1)
    def health(self) -> None:
        """Check the health, as a load balancer does."""
        self.send("health", "GET", "/health")


class Reader(ServiceUser):
    """User who searches, filters, turns the page, opens a paper, and looks for similar ones."""

    wait_time = between(1, 4)

    @task
    def visit(self) -> None:
        """Search once, and follow the results by chance."""
        wanted: dict[str, Any] = {"query": self.queries.short(), "k": 10}
        kind = "search"
        if self.queries.chance(0.3):
            kind = "filtered search"
            wanted |= self._filter()
        answer = self.send(kind, "POST", "/search", wanted)
        found = answer.json()["results"] if answer is not None else []
        if self.queries.chance(0.4) and len(found) == wanted["k"]:
            self.wait()
            self.send("next page", "POST", "/search", {**wanted, "offset": 10})
        if not found:
            return
        paper = quote(self.queries.one_of([each["id"] for each in found]))
        if self.queries.chance(0.6):
            self.wait()
            self.send("paper", "GET", f"/papers/{paper}")
        if self.queries.chance(0.4):
            self.wait()
            self.send("more like this", "GET", f"/papers/{paper}/similar?k=10")

    def _filter(self) -> dict[str, Any]:
        if self.target.categories and self.queries.chance(0.6):
            return {"categories": [self.queries.one_of(list(self.target.categories)[:20])]}
        if self.target.years is None:
            return {}
        first, newest = self.target.years
        return {"from": self.queries.one_of([str(year) for year in range(first, newest + 1)])}


class AbstractPaster(ServiceUser):
    """User who pastes an abstract, reads, and pastes the next."""

    wait_time = between(2, 6)

    @task
    def paste(self) -> None:
        """Search for papers like an abstract."""
        self.send("pasted abstract", "POST", "/search", {"abstract": self.queries.long(), "k": 20})


class TritonClient(User):
    """Program that gets vectors from Triton by gRPC, almost without pauses."""

    abstract = False
    wait_time = between(0.0, 0.02)
    queries: ClassVar[QuerySource]
    target: ClassVar[Target]
    address: ClassVar[str]

    def on_start(self) -> None:
        """Open the channel."""
        self._encoder = EncoderChannel(self.address, self.target.encoder)

    def on_stop(self) -> None:
        """Close the channel."""
        self._encoder.close()

    @task(3)
    def short_text(self) -> None:
        """Get the vector of a few words."""
        self._embed("triton, short text", self.queries.short())

    @task(1)
    def long_text(self) -> None:
        """Get the vector of an abstract."""
        self._embed("triton, abstract", self.queries.long())

    def _embed(self, kind: str, text: str) -> None:
        began, started = time.time(), time.perf_counter()
        failure: EmbeddingFailed | None = None
        size = 0
        try:
            size = 4 * self._encoder.embed(text)
        except EmbeddingFailed as error:
            failure = error
        self.environment.events.request.fire(
            request_type="gRPC",
            name=kind,
            response_time=1000 * (time.perf_counter() - started),
            response_length=size,
            exception=failure,
            start_time=began,
            context={},
        )


# The classes of users in each scenario, with their weights.
USERS_OF_SCENARIO: dict[str, dict[type[ServiceUser] | type[TritonClient], int]] = {
    "reference": {ReferenceUser: 1},
    "reader": {Reader: 1},
    "paster": {AbstractPaster: 1},
    "triton": {TritonClient: 1},
    "mixed": {Reader: 14, AbstractPaster: 4, ReferenceUser: 1, TritonClient: 1},
}


def user_classes(scenario: str, queries: QuerySource, target: Target, triton: str | None) -> list[type[User]]:
    """Return the classes of users of a scenario, configured for Locust.

    Args:
        scenario: A key of `USERS_OF_SCENARIO`.
        queries: The source of queries for all users.
        target: The service under measurement.
        triton: The address of Triton's gRPC, if the scenario needs it.
    """
    chosen = USERS_OF_SCENARIO[scenario]
    for user, weight in chosen.items():
        user.weight = weight
        user.host = target.service
        # Locust creates the users from their classes, so shared values are set on the classes.
        user.queries = queries
        user.target = target
        if issubclass(user, TritonClient):
            user.address = triton or ""
    return list(chosen)


def needs_triton(scenario: str) -> bool:
    """Return True if a scenario has clients of Triton."""
    return TritonClient in USERS_OF_SCENARIO[scenario]
