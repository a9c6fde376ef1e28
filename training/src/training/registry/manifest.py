"""The manifest of a version: its encoder, its origin, its recipe, its files, and its parity with the original."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from akin.storage.digest import file_digest

MANIFEST_SCHEMA = 1
MANIFEST_FILE = "manifest.json"
_TEXT_VERSION = 1
"""Stays in the digest, so that the same files have the digest that earlier releases gave them, and snapshots keep their
vectors. The version of papers' texts is in a snapshot's manifest."""


INPUT_TYPES = ("query", "passage")
"""Roles of a text in a search, each of which may have a prompt; as in `runtime.py` of `text_encoder`."""


def encoder_digest(
    graph_sha256: str,
    tokenizer_sha256: str,
    max_length: int,
    passage_text_version: int,
    prompts: Mapping[str, str] | None = None,
) -> str:
    """Return the digest that identifies an encoder: it covers everything that decides a text's vector, and no more.

    It is the SHA-256, 64 hex digits, of the canonical JSON (keys sorted, no spaces) of the four values, and of the
    prompts if one is not empty.
    """
    identity: dict[str, Any] = {
        "graph": graph_sha256,
        "tokenizer": tokenizer_sha256,
        "max_length": max_length,
        "passage_text_version": passage_text_version,
    }
    if given := given_prompts(prompts):
        identity["prompts"] = given
    return hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def given_prompts(prompts: Mapping[str, str] | None) -> dict[str, str]:
    """Return the prompt of each of `INPUT_TYPES`; nothing if there is none, so that manifests stay as they were."""
    found = {each: (prompts or {}).get(each, "") for each in INPUT_TYPES}
    return found if any(found.values()) else {}


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
    prompts: Mapping[str, str] | None = None,
    abstract_as: str | None = None,
    dimensions: Sequence[int] = (),
) -> dict[str, Any]:
    """Return the manifest of the files in a folder, without a version number and with an empty parity.

    Args:
        folder: the version's folder.
        name: name of the model.
        dim: length of a vector.
        max_length: number of tokens that are read.
        inputs: names of the graph's inputs.
        pad_id: the token that fills rows.
        base: the model that the version was made from.
        recipe: how it was made.
        prompts: the text that is put before a text of each of `INPUT_TYPES`; no key or an empty text for none.
        abstract_as: the one of `INPUT_TYPES` as which a search embeds an abstract that looks for its neighbours; None
            for the default, `query`.
        dimensions: lengths to which vectors may be cut, as the model was trained for them (Matryoshka).
    """
    files = {
        path.name: {"sha256": file_digest(path), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MANIFEST_FILE
    }
    graph, tokenizer = files["model.onnx"], files["tokenizer.json"]
    return {
        "schema": MANIFEST_SCHEMA,
        "version": None,
        "name": name,
        "digest": encoder_digest(str(graph["sha256"]), str(tokenizer["sha256"]), max_length, _TEXT_VERSION, prompts),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "dim": dim,
        "max_length": max_length,
        "passage_text_version": _TEXT_VERSION,
        "base": dict(base),
        "recipe": dict(recipe),
        "parity": {},
        "graph": {"file": "model.onnx", "inputs": inputs, "output": "embedding", "pad_id": pad_id},
        "files": files,
        **({"prompts": given} if (given := given_prompts(prompts)) else {}),
        **({"abstract_as": abstract_as} if abstract_as else {}),
        **({"dimensions": shorter} if (shorter := [each for each in dimensions if each < dim]) else {}),
    }


def write(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest into the folder that it describes."""
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
