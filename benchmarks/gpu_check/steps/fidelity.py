"""Step `fidelity`: cosines of the vectors in FP16 and bf16 to those in FP32, and of a text alone to one in a batch."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.exact import exact_vectors
from benchmarks.gpu_check.job import Job, Recorder
from benchmarks.gpu_check.steps.machine import require_device
from benchmarks.gpu_check.texts import read_texts

GOAL = 0.9999


def run(job: Job, record: Recorder) -> None:
    """Compare the torch runtime, and sentence-transformers in FP16, with sentence-transformers in FP32."""
    import torch

    from benchmarks.gpu_check.served import TorchEncoder

    require_device(job)
    papers = read_texts(job.papers, 1000 if job.on_gpu else 48)
    # Titles first: they take a tenth of the time, so that there are figures early.
    sets = {"titles": [paper.title for paper in papers], "abstracts": [paper.abstract for paper in papers]}
    encoders: dict[str, Any] = {}
    for kind, texts in sets.items():
        exact = torch.from_numpy(exact_vectors(job, kind, texts))
        for name, dtype in (("FP16", torch.float16), ("bf16", torch.bfloat16)):

            def compare(
                kind: str = kind, texts: Sequence[str] = texts, exact: Any = exact, name: str = name, dtype: Any = dtype
            ) -> None:
                if name not in encoders:
                    encoders[name] = TorchEncoder(Path(job.model), job.device, dtype)
                compare_ours(job, record, encoders[name], f"ours, {name}", kind, texts, exact)

            record.attempt(f"ours, {name}, {kind}", compare)
    record.attempt("sentence-transformers, FP16", functools.partial(compare_peer, job, record, sets))


def compare_ours(
    job: Job, record: Recorder, encoder: Any, system: str, kind: str, texts: Sequence[str], exact: Any
) -> None:
    """Record the cosines of one kind of texts in one precision."""
    import torch

    together = encoder.encode(texts)
    cosines = (together * exact).sum(dim=1)
    mean = float(cosines.mean())
    record.row(system, kind, "1 − mean cosine to FP32", 1 - mean)
    record.row(system, kind, "1 − least cosine to FP32", 1 - float(cosines.min()))
    record.goal(f"{system}, {kind}: mean cosine to FP32 of at least {GOAL} ({mean:.6f})", mean >= GOAL)
    some = range(0, len(texts), max(1, len(texts) // (100 if job.on_gpu else 8)))
    alone = torch.cat([encoder.encode([texts[at]]) for at in some])
    least = float((together[list(some)] * alone).sum(dim=1).min())
    record.row(system, kind, "1 − least cosine alone to batched", 1 - least)


def compare_peer(job: Job, record: Recorder, sets: dict[str, list[str]]) -> None:
    """Record the cosines of sentence-transformers in FP16."""
    import torch
    from sentence_transformers import SentenceTransformer

    model: Any = SentenceTransformer(job.model, device=job.device).half()
    for kind, texts in sets.items():
        found = model.encode(texts, convert_to_tensor=True, batch_size=64, show_progress_bar=False)
        vectors = torch.nn.functional.normalize(found.float(), dim=1).cpu()
        cosines = (vectors * torch.from_numpy(exact_vectors(job, kind, texts))).sum(dim=1)
        record.row("sentence-transformers, FP16", kind, "1 − mean cosine to FP32", 1 - float(cosines.mean()))
