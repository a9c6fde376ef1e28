"""Embed shards of texts in the Python that runs Triton's model; `collection.py` describes the files.

`embed_collection` runs this as `python embed.py ENCODER_FOLDER COLLECTION_FOLDER SHARD…`. A shard is written under
another name and renamed: a killed run loses only the current shard.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

_BLOCK = 2000


def main() -> None:
    """Embed the given shards on one thread."""
    encoder_folder, folder, *shards = sys.argv[1:]
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    sys.path.insert(0, encoder_folder)
    from runtime import TextEncoder  # the code that is published with the encoder

    encoder = TextEncoder(Path(encoder_folder), threads=1)
    parent = os.getppid()
    for shard in shards:
        started = time.monotonic()
        # A version without prompts may have code of an earlier release, which knows one kind of text.
        kind = ["query" if shard == "queries" else "passage"] if any(getattr(encoder, "prompts", {}).values()) else []
        lines = Path(folder, "texts", f"{shard}.txt").read_bytes().decode("utf-8", "surrogatepass").split("\n")[:-1]
        vectors = embed_texts(encoder, [line.split("\t", 2)[2] for line in lines], kind, parent)
        target = Path(folder, "vectors", f"{shard}.f16.npy")
        aside = target.with_name(f".{shard}.{os.getpid()}")
        with aside.open("wb") as file:
            np.save(file, vectors)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(target)
        print(f"{shard}: {len(lines) / (time.monotonic() - started):.0f} texts/s", flush=True)


def embed_texts(encoder: object, texts: list[str], kind: list[str], parent: int) -> np.ndarray:
    """Return the vectors of the texts, float16 [n, dim]; texts of similar length are encoded together.

    Args:
        encoder: The version's `TextEncoder`.
        texts: The texts.
        kind: Their `input_type`; empty for an encoder without prompts.
        parent: The id of the process that started this one; the work stops when it has ended.
    """
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    vectors = np.empty((len(texts), encoder.dim), np.float16)  # type: ignore[attr-defined]
    for at in range(0, len(order), _BLOCK):
        if os.getppid() != parent:
            raise SystemExit("the benchmark that started this process has ended")
        block = order[at : at + _BLOCK]
        vectors[block] = encoder.encode([texts[place] for place in block], *kind)[0]  # type: ignore[attr-defined]
    return vectors


main()
