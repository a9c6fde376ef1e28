"""`evaluate`: the compressed model on the run's held-out sets and on every collection, beside what it came from."""

from __future__ import annotations

from pathlib import Path

from training.data.split import Part
from training.evaluation import evaluate
from training.evaluation.evaluate import candidate_comparisons, load_systems
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages.compress import ENCODER
from training.pipeline.stages.prepare import FILES

OWN_FIELDS = "id=id,title=title,abstract=abstract,categories=categories"
"""How the run's own files of papers are read."""

CANDIDATE = "compressed"
TUNED = "fine-tuned"


def run_stage(run: RunFolder) -> None:
    """Writes the report and its plots.

    Compared are BM25, the base in FP32, the fine-tuned model in FP32, the version that serves, and the compressed model
    as it would be published: an encoder that searches worse than what serves is seen before it is a version.

    Raises:
        EvaluationError: A collection cannot be read, or the report cannot be written.
    """
    configuration = run.configuration
    settings = configuration.evaluation
    prepared = run.require_stage("prepare")
    tuned = run.require_stage("train") / run.folder.name
    systems, against = load_systems(
        Path(configuration.paths.repository),
        {CANDIDATE: run.require_stage("compress") / ENCODER},
        base=(configuration.model.source or "default") if settings.fp32 else "none",
        models=[f"{TUNED}={tuned}"] if settings.fp32 else [],
    )
    papers = prepared / FILES[Part.HELD_OUT] if settings.subjects else None
    with run.write_stage("evaluate") as folder:
        evaluate(
            systems,
            [*sorted((prepared / "sets").glob("held_out_*")), *(Path(each).expanduser() for each in settings.sets)],
            folder,
            baseline=against,
            comparisons=candidate_comparisons(systems, CANDIDATE, against),
            subject_papers=papers,
            mapping=OWN_FIELDS if papers else None,
            resamples=settings.resamples,
            seed=configuration.seed,
            cache=Path(configuration.paths.data) / "evaluation-vectors",
        )
