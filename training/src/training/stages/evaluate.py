"""`evaluate`: the version on the run's held-out sets and on every collection given, beside its base and BM25."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import msgspec

from training.evaluate import evaluate_versions
from training.run_folder import RunFolder
from training.split import Part
from training.stages.prepare import FILES

OWN_FIELDS = "id=id,title=title,abstract=abstract,categories=categories"
"""How the run's own files of papers are read."""


def run(run: RunFolder) -> None:
    """Writes the report beside the version, where promotion looks for it, and its place into `run.json`.

    Raises:
        EvaluationError: A collection cannot be read, or the report cannot be written.
    """
    configuration = run.configuration
    prepared = run.need("prepare")
    manifest = json.loads((run.need("export") / "manifest.json").read_bytes())
    sets = [*sorted((prepared / "sets").glob("held_out_*")), *map(Path, configuration.evaluation.sets)]
    tuned = run.need("train") / run.folder.name
    papers = prepared / FILES[Part.HELD_OUT] if configuration.evaluation.subjects else None
    wanted = argparse.Namespace(
        repository=Path(configuration.paths.repository),
        version=manifest["version"],
        against=[],
        set=[path.expanduser() for path in sets],
        papers=papers,
        map=OWN_FIELDS if papers else None,
        base=(configuration.model.source or "default") if configuration.evaluation.fp32 else "none",
        model=[f"fine-tuned={tuned}"] if configuration.evaluation.fp32 else [],
        compile=False,
        runtime="auto",
        resamples=configuration.evaluation.resamples,
        seed=configuration.seed,
        output=None,
        cache=Path(configuration.paths.data) / "evaluation-vectors",
    )
    with run.making("evaluate") as folder:
        report, where = evaluate_versions(wanted)
        (folder / "report.json").write_bytes(msgspec.json.encode(report))
        (folder / "report.md").write_bytes((where / "report.md").read_bytes())
    run.record(evaluation=str(where))
