"""Stage `evaluate`: evaluate the compressed model on the held-out sets and on the configured collections."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.data.split import SplitPart
from training.evaluation import evaluate_systems
from training.evaluation.evaluate import candidate_comparisons, load_systems
from training.fit import models
from training.pipeline.configuration import Configuration
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages.compress import ENCODER_FOLDER
from training.pipeline.stages.prepare import PART_FILES
from training.pipeline.tracked import add_evaluation

PART_FIELDS = "id=id,title=title,abstract=abstract,categories=categories"
"""Mapping with which the run's own files of papers are read."""

METRICS_FILE = "metrics.json"
"""Means alone, for `dvc metrics`."""

CANDIDATE = "compressed"
TUNED = "fine-tuned"


def run_stage(run: RunFolder) -> None:
    """Write the report, its plots and `metrics.json`.

    The compressed model is measured as it would be served, by vectors and in hybrid search, beside words alone, the
    base in FP32, the fine-tuned model in FP32 and the version that serves: an encoder that searches worse is noticed
    before it becomes a version.

    Raises:
        EvaluationError: A collection cannot be read, or the report cannot be written.
    """
    configuration = run.configuration
    settings = configuration.evaluation
    prepared = run.require_stage("prepare")
    tuned = run.require_stage("train") / run.folder.name
    with _base(configuration) as base:
        systems, baseline = load_systems(
            Path(configuration.paths.repository),
            {CANDIDATE: run.require_stage("compress") / ENCODER_FOLDER},
            base=base if settings.fp32 else "none",
            models=[f"{TUNED}={tuned}"] if settings.fp32 else [],
        )
    papers = prepared / PART_FILES[SplitPart.HELD_OUT] if settings.subjects else None
    held_out = sorted((prepared / "sets").glob("held_out_*"))
    data = Path(configuration.paths.data)
    with run.write_stage("evaluate") as folder:
        report = evaluate_systems(
            systems,
            [*held_out, *(Path(each).expanduser() for each in settings.sets)],
            folder,
            baseline=baseline,
            comparisons=candidate_comparisons(systems, [CANDIDATE], baseline),
            subject_papers=papers,
            mapping=PART_FIELDS if papers else None,
            resamples=settings.resamples,
            seed=configuration.seed,
            cache=data / "evaluation-vectors",
            served=data / "evaluation",
            # These sets are made as the pairs are: title and abstract, or a sentence and the rest.
            aimed=[each.name for each in held_out],
        )
        (folder / METRICS_FILE).write_text(json.dumps(report.means(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    add_evaluation(run, report.means())


@contextmanager
def _base(configuration: Configuration) -> Iterator[str]:
    """Yield the model before training, as an argument of evaluation: a bare encoder is saved with its pooling first."""
    source = configuration.model.source
    if not models.is_bare_encoder(source):
        yield source or "default"
        return
    with tempfile.TemporaryDirectory() as folder:
        models.load(configuration.model).save(f"{folder}/base")
        yield f"{folder}/base"
