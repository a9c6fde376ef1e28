"""Step `fidelity`: cosines of the vectors in FP16 and bf16 to those in FP32, and of a text alone to one in a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.gpu_check.job import Job, Recorder
from benchmarks.gpu_check.steps.machine import require_device
from benchmarks.gpu_check.texts import read_texts

GOAL = 0.9999


def run(job: Job, record: Recorder) -> None:
    """Compare the torch runtime, and sentence-transformers in FP16, with sentence-transformers in FP32."""
    import torch
    from sentence_transformers import SentenceTransformer

    from benchmarks.gpu_check.torch_encoder import TorchEncoder

    require_device(job)
    torch.backends.cuda.matmul.allow_tf32 = False
    papers = read_texts(job.papers, 2000 if job.on_gpu else 48)
    sets = {"abstracts": [paper.abstract for paper in papers], "titles": [paper.title for paper in papers]}
    model = SentenceTransformer(job.model, device=job.device).float()

    def vectors(texts: list[str]) -> Any:
        with torch.inference_mode():
            found = model.encode(texts, convert_to_tensor=True, batch_size=64, show_progress_bar=False)
        return torch.nn.functional.normalize(found.float(), dim=1).cpu()

    exact = {kind: vectors(texts) for kind, texts in sets.items()}
    reach = {"FP16": torch.float16, "bf16": torch.bfloat16}
    for name, dtype in reach.items():

        def compare(name: str = name, dtype: Any = dtype) -> None:
            encoder = TorchEncoder(Path(job.model), job.device, dtype)
            for kind, texts in sets.items():
                together = encoder.encode(texts)
                cosines = (together * exact[kind]).sum(dim=1)
                system = f"ours, {name}"
                record.row(system, kind, "1 − mean cosine to FP32", 1 - float(cosines.mean()))
                record.row(system, kind, "1 − least cosine to FP32", 1 - float(cosines.min()))
                some = range(0, len(texts), max(1, len(texts) // (200 if job.on_gpu else 8)))
                alone = torch.cat([encoder.encode([texts[at]]) for at in some])
                least = float((together[list(some)] * alone).sum(dim=1).min())
                record.row(system, kind, "1 − least cosine alone to batched", 1 - least)
                record.goal(
                    f"{system}, {kind}: mean cosine to FP32 of at least {GOAL} ({float(cosines.mean()):.6f})",
                    float(cosines.mean()) >= GOAL,
                )

        record.attempt(f"ours, {name}", compare)

    def compare_peer() -> None:
        model.half()
        for kind, texts in sets.items():
            cosines = (vectors(texts) * exact[kind]).sum(dim=1)
            record.row("sentence-transformers, FP16", kind, "1 − mean cosine to FP32", 1 - float(cosines.mean()))

    record.attempt("sentence-transformers, FP16", compare_peer)
