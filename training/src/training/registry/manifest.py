"""The manifest of a version: its encoder, its origin, its recipe, its files, and its parity with the original."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.registry.source import file_sha256

MANIFEST_SCHEMA = 1
MANIFEST_FILE = "manifest.json"
_TEXT_VERSION = 1
"""Stays in the digest, so that the same files have the digest that earlier releases gave them, and snapshots keep their
vectors. The version of papers' texts is in a snapshot's manifest."""


def encoder_digest(graph_sha256: str, tokenizer_sha256: str, max_length: int, passage_text_version: int) -> str:
    """Return the digest that identifies an encoder: it covers everything that decides a paper's vector, and no more.

    It is the SHA-256, 64 hex digits, of the canonical JSON (keys sorted, no spaces) of the four values.
    """
    identity = {
        "graph": graph_sha256,
        "tokenizer": tokenizer_sha256,
        "max_length": max_length,
        "passage_text_version": passage_text_version,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def build_manifest(
    folder: Path,
    *,
    name: str,
    dim: int,
    max_length: int,
    inputs: list[str],
    pad_id: int,
    base: Mapping[str, Any],
    recipe: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the manifest of the files in a folder, without a version number and with an empty parity."""
    files = {
        path.name: {"sha256": file_sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MANIFEST_FILE
    }
    graph, tokenizer = files["model.onnx"], files["tokenizer.json"]
    return {
        "schema": MANIFEST_SCHEMA,
        "version": None,
        "name": name,
        "digest": encoder_digest(str(graph["sha256"]), str(tokenizer["sha256"]), max_length, _TEXT_VERSION),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "dim": dim,
        "max_length": max_length,
        "passage_text_version": _TEXT_VERSION,
        "base": dict(base),
        "recipe": dict(recipe),
        "parity": {},
        "graph": {"file": "model.onnx", "inputs": inputs, "output": "embedding", "pad_id": pad_id},
        "files": files,
    }


def write(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest into the folder that it describes."""
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
