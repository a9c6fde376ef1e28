from __future__ import annotations

import pytest
from pydantic import ValidationError

from retrieval_service.app import searches_at_once
from retrieval_service.settings import Settings


def test_triton_is_on_this_machine_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AKIN_TRITON_URL", raising=False)
    monkeypatch.setenv("AKIN_TRITON_GRPC_PORT", "18001")
    assert Settings().triton_url == "grpc://127.0.0.1:18001"
    monkeypatch.setenv("AKIN_TRITON_URL", "http://triton:8000")
    assert Settings().triton_url == "http://triton:8000"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AKIN_TRITON_URL", "triton:8001"),
        ("AKIN_TRITON_URL", "ftp://triton"),
        ("AKIN_SERVICE_PORT", "0"),
        ("AKIN_SERVICE_PORT", "http"),
        ("AKIN_POOL", "100000"),
        ("AKIN_FUSION", "sum"),
        ("AKIN_EMBED_SECONDS", "-1"),
        ("AKIN_SEARCH_CONCURRENCY", "0"),
        ("AKIN_SEARCH_QUEUE", "-1"),
        ("AKIN_SEARCH_SECONDS", "0"),
        ("AKIN_BODY_SECONDS", "0"),
    ],
)
def test_bounds(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


def test_searches_at_once_are_a_multiple_of_the_threads() -> None:
    assert searches_at_once(Settings(search_threads=3)) == 48
    assert searches_at_once(Settings(search_threads=3, search_concurrency=1)) == 1


def test_a_hundred_searches_at_once_are_always_admitted() -> None:
    fewest = Settings(search_threads=1)
    assert searches_at_once(fewest) + fewest.search_queue >= 100


def test_every_setting_is_explained() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_every_setting_of_the_service_either_changes_answers_or_is_known_not_to() -> None:
    without_effect = {
        *("cors_origins", "search_threads", "search_concurrency", "search_queue", "search_seconds", "body_seconds"),
        *("watch_seconds", "rate_limit", "rate_burst", "encoder_version", "embed_seconds", "rerank_seconds", "mcp"),
        "rate_redis",
        # Only searches whose readers may give feedback are interleaved, and their answers have no tag.
        *(
            "bulk_seconds",
            "collection_share",
            "recall_share",
            "feedback_opened",
            "interleave",
            "interleave_share",
            "interleave_seconds",
        ),
    }
    own = set(Settings.model_fields).difference(*(base.model_fields for base in Settings.__bases__))  # type: ignore[attr-defined]
    assert own == without_effect | set(Settings().of_answers)
    assert Settings(pool=200).of_answers != Settings().of_answers
