"""Compute vectors in FP32 by sentence-transformers, once for all steps that compare with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_check.job import Job


def exact_vectors(job: Job, kind: str, texts: Sequence[str]) -> Any:
    """Return unit vectors, float32 [texts, dim]; those of an earlier step are used again.

    Args:
        job: The step's work; the file is in its folder.
        kind: The name of the texts. All steps take the first ones of the same texts.
        texts: The texts.
    """
    path = Path(job.work) / f"exact-{kind}.npy"
    if path.exists() and len(kept := np.load(path)) >= len(texts):
        return kept[: len(texts)]
    import torch
    from sentence_transformers import SentenceTransformer

    torch.backends.cuda.matmul.allow_tf32 = False
    model: Any = SentenceTransformer(job.model, device=job.device).float()
    with torch.inference_mode():
        found = model.encode(list(texts), convert_to_tensor=True, batch_size=64, show_progress_bar=False)
        vectors = torch.nn.functional.normalize(found.float(), dim=1).cpu().numpy()
    aside = path.with_suffix(".part.npy")
    np.save(aside, vectors)
    aside.replace(path)
    return vectors
