"""Define the settings of the retrieval service."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from akin.edge import parse_origins
from akin.settings.cores import usable_cores
from akin.settings.places import (
    CollectionFolder,
    FeedbackFolder,
    KeysPlace,
    Logging,
    MilvusPlace,
    ServerNames,
    ServiceAddress,
    Tracing,
    TritonAddress,
    address_or_none,
)

_OF_ANSWERS = (
    "dense_weight", "fusion", "gpu_float16", "gpu_index", "lexical_postings", "lexical_terms", "pool", "rerank_most",
    "rerank_weight", "text_weight", "vector_device",
)  # fmt: skip


def _origins(value: str) -> str:
    parse_origins(value)
    return value


def _redis(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"|rediss?://([^/\s@]*@)?[^/\s@]+(/\d*)?(\?\S*)?|unix://\S+", value.get_secret_value()):
        raise ValueError("must look like redis://:password@10.0.0.5:6379/0, or begin with rediss:// or unix://")
    return value


class ServiceSettings(
    FeedbackFolder,
    CollectionFolder,
    KeysPlace,
    MilvusPlace,
    ServiceAddress,
    ServerNames,
    TritonAddress,
    Tracing,
    Logging,
):
    """Settings of the retrieval service."""

    cors_origins: Annotated[str, AfterValidator(_origins)] = Field(
        default="",
        description="Other sites whose scripts may read the API's answers, such as `https://site.example`, with commas "
        "between them. Default: none.",
    )
    search_threads: int = Field(
        default_factory=usable_cores,
        ge=1,
        le=256,
        description="Threads that search; FAISS and Tantivy use one each in a request. Default: one for each core.",
    )
    search_concurrency: int | None = Field(
        default=None, ge=1, le=4096, description="Searches that run at once. Default: 16 for each search thread."
    )
    search_queue: int = Field(
        default=128, ge=0, le=100_000, description="Further searches that may wait; more are refused at once."
    )
    search_seconds: float = Field(default=10.0, gt=0, le=600, description="Longest time of a search, in s.")
    bulk_seconds: float = Field(
        default=60.0,
        gt=0,
        le=600,
        description="Longest time of a request with many texts to embed or to rerank, in s ([api.md](api.md)).",
    )
    body_seconds: float = Field(default=10.0, gt=0, le=600, description="Longest wait for the body of a request, in s.")
    watch_seconds: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="Seconds between two checks for a new snapshot, for damage, and for the state of Triton.",
    )
    rate_limit: float = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Requests a second that one client may send on average; large ones count as several "
        "([security.md](security.md#limits-of-rate)). 0: no limit.",
    )
    rate_burst: int = Field(default=20, ge=1, le=100_000, description="Requests that such a client may send at once.")
    rate_redis: Annotated[SecretStr, AfterValidator(_redis)] = Field(
        default=SecretStr(""),
        description="Redis in which the machines of a fleet count these requests together, such as "
        "`redis://:password@10.0.0.5:6379/0` ([scaling.md](scaling.md#limits-of-rate-for-all-machines-together)); it "
        "needs the extra `scale`. Default: each machine counts its own.",
    )

    mcp: bool = Field(
        default=True,
        description="Serve the tools of the Model Context Protocol at `/mcp` ([mcp.md](mcp.md)); they need the extra "
        "`mcp`.",
    )

    encoder_version: int | None = Field(
        default=None, ge=1, description="The only version of the encoder to use. Default: the one of the snapshot."
    )
    embed_seconds: float = Field(default=2.0, gt=0, le=60, description="Longest wait for the vector of a query, in s.")

    vector_device: Literal["cpu", "auto", "gpu", "gpus"] = Field(
        default="cpu",
        description="Device that searches vectors: the CPU, the first GPU, or all GPUs; `auto` takes the first GPU if "
        "it can be used.",
    )
    gpu_index: Literal["auto", "torch", "faiss", "lists", "cagra"] = Field(
        default="auto", description="How a GPU searches vectors ([search.md](search.md#on-gpus))."
    )
    gpu_float16: bool = Field(default=True, description="Keep vectors on GPUs in half precision.")

    fusion: Literal["bounds", "minmax", "rrf"] = Field(
        default="bounds", description="Fusion of the two halves of hybrid search."
    )
    dense_weight: float = Field(
        default=0.5, ge=0, le=1, description="Weight of the dense half in hybrid search; the lexical half has the rest."
    )
    text_weight: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Weight of the query's words in the texts of the best papers; the fused score has 1.",
    )
    pool: int = Field(default=100, ge=10, le=1000, description="Best papers of each half that are fused.")
    lexical_terms: int = Field(
        default=64, ge=1, le=1000, description="Most informative terms of a query that lexical search looks up."
    )
    lexical_postings: int = Field(
        default=3_000_000,
        ge=1000,
        description="Entries of the lexical index that a long query may read; limits its time in a large corpus.",
    )

    rerank_most: int = Field(
        default=50, ge=1, le=64, description="Best results of a search that a request may have reranked, at most."
    )
    rerank_weight: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Weight of the reranker's scores; those of the search have the rest. 1 is the reranker's order.",
    )
    rerank_seconds: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="Longest wait for the reranker, in s, and at most half of the time that is left for the search.",
    )

    recall_share: float = Field(
        default=0,
        ge=0,
        le=0.5,
        description="Share of one core that compares the vector index with exact search, on a few of the real queries "
        "([monitoring.md](monitoring.md#recall-in-production)), such as 0.02. 0: none.",
    )
    collection_share: float = Field(default=0.1, gt=0, le=1, description="Share of the searches that are collected.")

    feedback_opened: bool = Field(default=False, description="With feedback: also keep which results a reader opened.")
    interleave: Annotated[str, AfterValidator(address_or_none)] = Field(
        default="",
        description="With feedback: address of a second service, with a candidate encoder, whose results are "
        "interleaved with this one's ([feedback.md](feedback.md#two-encoders-side-by-side)). Default: none.",
    )
    interleave_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of the readers' searches that are interleaved."
    )
    interleave_seconds: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="Longest wait for the second service, in s, and at most until half of "
        "the time that is left for the search.",
    )

    @property
    def of_answers(self) -> dict[str, object]:
        """The settings that change the answer to a request."""
        return {name: getattr(self, name) for name in _OF_ANSWERS}

    @model_validator(mode="after")
    def _address_triton(self) -> Self:
        if not self.triton_url:
            # This default depends on another setting. The class is frozen, hence object.__setattr__.
            object.__setattr__(self, "triton_url", f"grpc://127.0.0.1:{self.triton_grpc_port}")
        return self
