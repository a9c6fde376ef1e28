"""Name the code of the inner model that Triton serves (`model_repository/encoder`), which the check measures."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "model_repository/encoder"
"""Folder of the inner model's code."""
