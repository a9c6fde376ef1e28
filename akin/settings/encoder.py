"""Define the settings of the encoder, which `model_repository/text_encoder/model.py` reads inside Triton."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from akin.settings.base import EnvironmentSettings


class EncoderSettings(EnvironmentSettings):
    """Settings of the encoder."""

    encoder_runtime: Literal["auto", "openvino", "onnxruntime"] = Field(
        default="auto",
        description="Runtime of the graph. auto: OpenVINO if the CPU has INT8 instructions, else ONNX Runtime.",
    )
    encoder_threads: int = Field(default=0, ge=0, le=1024, description="Threads of the encoder. 0: all cores.")
    encoder_inner: str = Field(
        default="",
        description="Another model of the same Triton that runs the graph; on GPUs `encoder` ([gpu.md](gpu.md)).",
    )
