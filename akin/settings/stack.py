"""Define the settings of the command line and of the local stack."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from akin.settings.base import Names
from akin.settings.places import (
    ApiKey,
    CollectionFolder,
    FeedbackFolder,
    KeysPlace,
    LogFormat,
    MilvusPlace,
    PageAddress,
    ServiceAddress,
    Tracing,
    TritonAddress,
)

PORTS = (
    "service_port",
    "service_metrics_port",
    "ui_port",
    "triton_http_port",
    "triton_grpc_port",
    "triton_metrics_port",
)
"""The fields of a stack's ports; no two may be the same."""


class StackSettings(
    FeedbackFolder,
    CollectionFolder,
    KeysPlace,
    MilvusPlace,
    ApiKey,
    ServiceAddress,
    PageAddress,
    TritonAddress,
    Tracing,
    LogFormat,
):
    """Settings of the command line and of the local stack."""

    triton_home: Path = Field(
        default=Path(".triton"),
        description="Folder of the Triton server and its Python. Default of an installed wheel: `triton` in the data "
        "folder.",
    )
    triton_host: str = Field(
        default="127.0.0.1",
        description="Address of a Triton in the foreground (`python -m akin.stack.foreground`).",
    )
    triton_http_host: str = Field(
        default="",
        description="Address of its HTTP, in the images 127.0.0.1. Only loopback addresses are accepted, as this build "
        "has known flaws there (SECURITY.md). Default: `AKIN_TRITON_HOST`.",
    )
    triton_allow_unpatched: bool = Field(
        default=False,
        description="Allow HTTP on other addresses. Set it only if a proxy in front limits and buffers request bodies.",
    )
    training_python: Path = Field(
        default=Path(".venv-training/bin/python"), description="Python that trains and exports encoders."
    )
    evaluation_sets: Names = Field(
        default=(),
        description="Folders of the test collections that `akin evaluate` measures by default, and that a promotion "
        "requires ([evaluation.md](evaluation.md)). Default: those that the serving version was evaluated on.",
    )
    primary_sets: Names = Field(
        default=(),
        description="Names of the collections of which a promoted version must be better on one. Default: any of all.",
    )
    encoder_mirror: Names = Field(
        default=(),
        description="Tracker that mirrors the registry after each promotion, as `akin encoder mirror` takes it, such "
        "as `tracking=mlflow` ([training.md](training.md#tracking)). Default: none.",
    )
    wait_seconds: float = Field(
        default=0,
        ge=0,
        le=86_400,
        description="Seconds that a command waits for an encoder, and for the Triton of `AKIN_TRITON_URL`.",
    )

    @model_validator(mode="after")
    def _fill_in(self) -> Self:
        if not self.triton_http_host:
            # This default depends on another setting. The class is frozen, hence object.__setattr__.
            object.__setattr__(self, "triton_http_host", self.triton_host)
        return self

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if not self.ui_port:
            raise ValueError("AKIN_UI_PORT is '0': the page of a stack needs a port from 1 to 65535")
        taken: dict[int, str] = {}
        for field in PORTS:
            number = getattr(self, field)
            if number and number in taken:
                raise ValueError(
                    f"{self.variable(taken[number])} and {self.variable(field)} are both {number}: "
                    "give each part a port of its own"
                )
            taken[number] = field
        return self
