"""Settings of the encoder inside Triton, read there by `model_repository/text_encoder/model.py`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from settings.base import EnvironmentSettings


class EncoderSettings(EnvironmentSettings):
    """Settings of the encoder."""

    encoder_runtime: Literal["auto", "openvino", "onnxruntime"] = Field(
        default="auto",
        description="What runs the graph. auto: OpenVINO where the CPU multiplies INT8 natively, else ONNX Runtime.",
    )
    encoder_threads: int = Field(default=0, ge=0, le=1024, description="Threads of the encoder. 0: all cores.")
    encoder_inner: str = Field(
        default="",
        description="Another model of the same Triton that does the arithmetic; on GPUs `encoder` ([gpu.md](gpu.md)).",
    )
