"""The people: Locust users who search, paste, read on, or speak to Triton themselves."""

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


class Person(FastHttpUser):
    """Somebody at the service's HTTP interface, with a connection of their own."""

    abstract = True
    connection_timeout = SECONDS_TO_ANSWER
    network_timeout = SECONDS_TO_ANSWER
    queries: ClassVar[QuerySource]
    target: ClassVar[Target]

    def ask(self, kind: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request, counted under the name of its kind; None when it failed."""
        with self.client.request(method, path, json=body, name=kind, catch_response=True) as answer:
            wrong = failure_reason(answer.status_code, answer.content)
            if wrong:
                answer.failure(wrong if answer.status_code else str(answer.error or wrong))
                return None
            return answer


class ReferenceUser(Person):
    """The mix that this project is compared by: 5 short searches, 3 long ones, 2 embeddings, 1 look at the health."""

    wait_time = between(0.5, 2.5)

    @task(5)
    def short_search(self) -> None:
        """A search for a few words."""
        self.ask("short search", "POST", "/search", {"query": self.queries.short(), "k": 10})

    @task(3)
    def long_search(self) -> None:
        """A search for papers like an abstract."""
        self.ask("long search", "POST", "/search", {"abstract": self.queries.long(), "k": 10})

    @task(2)
    def embed(self) -> None:
        """The vector of an abstract."""
        self.ask("embed", "POST", "/embed", {"abstract": self.queries.long()})

    @task(1)
    def health(self) -> None:
        """What a load balancer asks."""
        self.ask("health", "GET", "/health")


class Reader(Person):
    """Searches, narrows down, turns the page, opens a paper, asks for more like it."""

    wait_time = between(1, 4)

    @task
    def visit(self) -> None:
        """One question, followed for as long as it is interesting."""
        wanted: dict[str, Any] = {"query": self.queries.short(), "k": 10}
        kind = "search"
        if self.queries.chance(0.3):
            kind = "filtered search"
            wanted |= self._filter()
        answer = self.ask(kind, "POST", "/search", wanted)
        found = answer.json()["results"] if answer is not None else []
        if self.queries.chance(0.4) and len(found) == wanted["k"]:
            self.wait()
            self.ask("next page", "POST", "/search", {**wanted, "offset": 10})
        if not found:
            return
        paper = quote(self.queries.one_of([each["id"] for each in found]))
        if self.queries.chance(0.6):
            self.wait()
            self.ask("paper", "GET", f"/papers/{paper}")
        if self.queries.chance(0.4):
            self.wait()
            self.ask("more like this", "GET", f"/papers/{paper}/similar?k=10")

    def _filter(self) -> dict[str, Any]:
        if self.target.categories and self.queries.chance(0.6):
            return {"categories": [self.queries.one_of(list(self.target.categories)[:20])]}
        if self.target.years is None:
            return {}
        first, newest = self.target.years
        return {"from": self.queries.one_of([str(year) for year in range(first, newest + 1)])}


class AbstractPaster(Person):
    """Pastes an abstract, reads for a while, pastes the next."""

    wait_time = between(2, 6)

    @task
    def paste(self) -> None:
        """A search for papers like an abstract."""
        self.ask("pasted abstract", "POST", "/search", {"abstract": self.queries.long(), "k": 20})


class TritonClient(User):
    """A program that wants vectors and asks Triton itself, over gRPC, without thinking in between."""

    abstract = False
    wait_time = between(0.0, 0.02)
    queries: ClassVar[QuerySource]
    target: ClassVar[Target]
    address: ClassVar[str]

    def on_start(self) -> None:
        """Opens its channel."""
        self._encoder = EncoderChannel(self.address, self.target.encoder)

    def on_stop(self) -> None:
        """Closes it."""
        self._encoder.close()

    @task(3)
    def short_text(self) -> None:
        """The vector of a few words."""
        self._embed("triton, short text", self.queries.short())

    @task(1)
    def long_text(self) -> None:
        """The vector of an abstract."""
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


# Whom a scenario is made of, and how many of each there are to the others.
USERS_OF_SCENARIO: dict[str, dict[type[Person] | type[TritonClient], int]] = {
    "reference": {ReferenceUser: 1},
    "reader": {Reader: 1},
    "paster": {AbstractPaster: 1},
    "triton": {TritonClient: 1},
    "mixed": {Reader: 14, AbstractPaster: 4, ReferenceUser: 1, TritonClient: 1},
}


def user_classes(scenario: str, queries: QuerySource, target: Target, triton: str | None) -> list[type[User]]:
    """The classes of users of a scenario, ready to be played.

    Args:
        scenario: One of `USERS_OF_SCENARIO`.
        queries: What they all draw from.
        target: Whom they ask.
        triton: Triton's gRPC address, if any of them needs it.
    """
    chosen = USERS_OF_SCENARIO[scenario]
    for user, weight in chosen.items():
        user.weight = weight
        user.host = target.service
        # Locust makes the users itself, from their classes: what they share must be there.
        user.queries = queries
        user.target = target
        if issubclass(user, TritonClient):
            user.address = triton or ""
    return list(chosen)


def needs_triton(scenario: str) -> bool:
    """Whether somebody in a scenario speaks to Triton."""
    return TritonClient in USERS_OF_SCENARIO[scenario]
