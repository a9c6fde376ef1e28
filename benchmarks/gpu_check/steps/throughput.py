"""Step `throughput`: texts a second and the time of one query, ours beside sentence-transformers, in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_check.job import Job, Recorder, rate, waiting_times
from benchmarks.gpu_check.steps.machine import require_device
from benchmarks.gpu_check.texts import TitleAndAbstract, read_texts

GOAL = 1.5
PEER = "sentence-transformers, FP16"


def run(job: Job, record: Recorder) -> None:
    """Measure; the best of each system's settings counts."""
    import torch
    from sentence_transformers import SentenceTransformer

    from benchmarks.gpu_check.served import TorchEncoder

    require_device(job)
    papers = read_texts(job.papers, 40_000 if job.on_gpu else 24)
    sets = {"abstracts": [paper.abstract for paper in papers], "titles": [paper.title for paper in papers]}
    window = record.window(60, 10.0 if job.on_gpu else 0.05)
    rates: dict[tuple[str, str], float] = {}

    def measure(system: str, setting: str, encode: Callable[[Sequence[str]], object], least: int) -> None:
        for kind, texts in sets.items():
            encode(texts[: min(len(texts), least // 4)])
            found = rate(encode, texts, window, least)
            record.row(f"{system}, {setting}", kind, "texts/s", found, "/s")
            rates[system, kind] = max(found, rates.get((system, kind), 0.0))

    # FP16 on a CPU is emulated, and slow.
    half = torch.float16 if job.on_gpu else torch.float32
    encoders: dict[str, Any] = {}
    for name, dtype in (("FP16", half), ("bf16", torch.bfloat16)):

        def ours(name: str = name, dtype: Any = dtype) -> None:
            encoder = encoders[name] = TorchEncoder(Path(job.model), job.device, dtype)
            for capacity in (65536, 16384) if job.on_gpu else (4096,):
                encode = lambda texts: encoder.encode(texts, capacity)  # noqa: E731, B023 - called before the next turn
                measure(f"ours, {name}", f"runs of {capacity:,} tokens", encode, 4096 if job.on_gpu else 16)

        record.attempt(f"ours, {name}", ours)
    model: Any = SentenceTransformer(job.model, device=job.device).float()
    if job.on_gpu:
        model.half()
    compare_single_titles(record, model, encoders, papers, 2 * window)
    # The batches that were best before come first: with little time, they are what counts.
    for size in (512, 1024, 256, 128, 64, 32) if job.on_gpu else (32,):

        def peer(size: int = size) -> None:
            def encode(texts: Sequence[str]) -> object:
                return model.encode(list(texts), batch_size=size, show_progress_bar=False)

            measure(PEER, f"batch {size}", encode, 2048 if job.on_gpu else 16)

        record.attempt(f"{PEER}, batch {size}", peer)
    for kind in sets:
        best = max((found for (system, of), found in rates.items() if of == kind and system != PEER), default=0.0)
        if best and rates.get((PEER, kind)):
            share = best / rates[PEER, kind]
            record.row("ours ÷ sentence-transformers", kind, "texts/s", share)
            if job.on_gpu:
                record.goal(
                    f"in process, {kind}: {GOAL} x sentence-transformers at its best batch ({share:.2f} x)",
                    share >= GOAL,
                )
    if record.left < (45 if job.on_gpu else 1e9):
        return record.line("torch.compile not run: no time was left for it.")

    def compiled() -> None:
        encoder = TorchEncoder(Path(job.model), "cuda", torch.float16, compiled=True)
        measure("ours, FP16", "compiled, runs of 65,536 tokens", lambda texts: encoder.encode(texts, 65536), 16384)

    record.attempt("torch.compile", compiled)
    return None


def compare_single_titles(
    record: Recorder, model: Any, encoders: Mapping[str, Any], papers: Sequence[TitleAndAbstract], seconds: float
) -> None:
    """Record the time of one title after the other, ours and that of sentence-transformers."""
    queries = [paper.title for paper in papers][:: max(1, len(papers) // 300)]
    one: dict[str, Callable[[str], object]] = {PEER: lambda text: model.encode([text], show_progress_bar=False)}
    if "FP16" in encoders:
        one["ours, FP16"] = lambda text: encoders["FP16"].encode([text])
    for system, encode in one.items():
        for text in queries[:10]:
            encode(text)
        times = waiting_times(encode, queries, seconds)
        for percent in (50, 95):
            record.row(system, "one title at a time", f"p{percent}", 1e3 * float(np.percentile(times, percent)), "ms")
