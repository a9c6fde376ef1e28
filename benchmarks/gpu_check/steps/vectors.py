"""Step `vectors`: exact search in FP16 with torch, beside exact search on the CPU and beside FAISS where it is."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_check.job import Job, NotRun, Recorder
from benchmarks.gpu_check.steps.machine import require_device
from benchmarks.gpu_check.texts import read_texts

K = 10
_NOISE = 0.3
_BLOCK = 100_000


def run(job: Job, record: Recorder) -> None:
    """Measure both sizes; the smaller one first."""
    try:
        from retrieval_service.adapters.torch_exact import TorchExactIndex
    except ImportError as error:
        raise NotRun(f"the vector port needs the package {error.name}: put it into GPU_WHEELS.") from error
    require_device(job)
    base, queries = real_vectors(job)
    for count in (100_000, 2_500_000) if job.on_gpu else (2_000, 6_000):
        dataset = f"{count:,} vectors"
        record.attempt(dataset, functools.partial(compare, job, record, base, queries, count, TorchExactIndex))


def compare(job: Job, record: Recorder, base: Any, queries: Any, count: int, index_type: Any) -> None:
    """Measure one size."""
    dataset, window = f"{count:,} vectors", record.window(14, 5.0 if job.on_gpu else 0.1)
    index = index_type(repeat_with_noise(base, count, job.device))
    for batch in (1, 32, 256):
        found = measure(lambda part: index.search_batch(part, K), queries, batch, window)
        record.row("torch, exact FP16", dataset, f"queries/s, batch {batch}", found, "/s")
    some = queries[: 256 if count <= 100_000 else 32]
    rows = index.search_batch(some, K)[1]
    stored = index.vectors(range(count))
    index.close()

    def compare_numpy() -> None:
        begun = time.perf_counter()
        exact = exact_rows(stored, some)
        found = len(some) / (time.perf_counter() - begun)
        record.row("NumPy, exact FP32, CPU", dataset, f"queries/s, batch {len(some)}", found, "/s")
        share = recall(rows, exact)
        record.row("torch, exact FP16", dataset, f"recall@{K}", share)
        record.goal(f"exact search of {dataset}: recall of 1.0 ({share:.4f})", share >= 0.9995)

    record.attempt("NumPy", compare_numpy)
    record.attempt("FAISS", lambda: measure_faiss(job, record, stored, queries, dataset, window))


def real_vectors(job: Job) -> tuple[Any, Any]:
    """Return vectors of abstracts on the device, FP16, and queries, float32 [256, dim], which are vectors of titles."""
    papers = read_texts(job.papers, 10_000 if job.on_gpu else 300)
    encode = encoder_of(job)
    titles = [paper.title for paper in papers[:256]]
    return (
        encode([paper.abstract for paper in papers[256:] or papers]).to(job.device).half(),
        encode(titles).cpu().numpy(),
    )


def encoder_of(job: Job) -> Callable[[list[str]], Any]:
    """Return a function that gives unit vectors, float32 [texts, dim]; ours is five times as fast, where it can."""
    import torch

    from benchmarks.gpu_check.served import TorchEncoder, UnsupportedModel

    dtype = torch.float16 if job.on_gpu else torch.float32
    try:
        ours: Callable[[list[str]], Any] = TorchEncoder(Path(job.model), job.device, dtype).encode
        return ours
    except UnsupportedModel:
        from sentence_transformers import SentenceTransformer

        model: Any = SentenceTransformer(job.model, device=job.device).to(dtype)

        def encode(texts: list[str]) -> Any:
            found = model.encode(texts, batch_size=256, convert_to_tensor=True, show_progress_bar=False)
            return torch.nn.functional.normalize(found.float(), dim=1)

        return encode


def repeat_with_noise(base: Any, count: int, device: str) -> Any:
    """Return `count` unit vectors, FP16 on the device: the given ones repeated, each with its own noise."""
    import torch

    generator = torch.Generator(device).manual_seed(0)
    matrix = torch.empty(count, base.shape[1], dtype=torch.float16, device=device)
    for at in range(0, count, _BLOCK):
        size = min(_BLOCK, count - at)
        which = torch.arange(at, at + size, device=device) % len(base)
        noise = torch.randn(size, base.shape[1], generator=generator, device=device) * (_NOISE / base.shape[1] ** 0.5)
        matrix[at : at + size] = torch.nn.functional.normalize(base[which].float() + noise, dim=1).half()
    return matrix


def measure(search: Callable[[Any], object], queries: Any, batch: int, seconds: float) -> float:
    """Return the queries a second in batches of one size."""
    parts = [
        np.ascontiguousarray(np.resize(np.roll(queries, -at, axis=0), (batch, queries.shape[1]))) for at in range(8)
    ]
    for part in parts[:2]:
        search(part)
    done = 0
    begun = time.perf_counter()
    while (taken := time.perf_counter() - begun) < seconds or not done:
        search(parts[done % len(parts)])
        done += 1
    return batch * done / taken if taken else 0.0


def exact_rows(stored: Any, queries: Any) -> Any:
    """Return the rows of the nearest vectors by NumPy, best first."""
    scores = queries @ stored.T
    some = np.argpartition(-scores, K, axis=1)[:, :K]
    order = np.lexsort((some, -np.take_along_axis(scores, some, 1)), axis=1)
    return np.take_along_axis(some, order, 1)


def recall(found: Any, exact: Any) -> float:
    """Return the mean share of the nearest that were found."""
    pairs = zip(found.tolist(), exact.tolist(), strict=True)
    return float(np.mean([len(set(ours) & set(theirs)) / K for ours, theirs in pairs]))


def measure_faiss(job: Job, record: Recorder, stored: Any, queries: Any, dataset: str, seconds: float) -> None:
    """Measure FAISS's flat index on the GPU where it can, else on the CPU.

    Raises:
        NotRun: FAISS is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise NotRun("the package faiss-gpu, with the libraries of CUDA 12, is not installed.") from error
    index: Any = faiss.IndexFlatIP(stored.shape[1])
    name = "FAISS flat FP32, CPU"
    if job.on_gpu and hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus():
        options = faiss.GpuClonerOptions()
        options.useFloat16 = True
        index, name = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index, options), "FAISS flat FP16, GPU"
    elif job.on_gpu:
        record.line("FAISS on the GPU not run: the installed FAISS sees no GPU; it needs faiss-gpu and CUDA 12.")
    index.add(stored)
    for batch in (1, 32, 256):
        found = measure(lambda part: index.search(part, K), queries, batch, seconds / 2)
        record.row(name, dataset, f"queries/s, batch {batch}", found, "/s")
