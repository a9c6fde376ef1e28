"""Stage `export`: publish the compressed model, exactly as it was evaluated, as a version with its report."""

from __future__ import annotations

import json
from pathlib import Path

from training.errors import EvaluationError, PublishError, TrainingError
from training.evaluation import read_report, write_report
from training.evaluation.evaluate import version_name
from training.evaluation.report import REPORT_FILE
from training.pipeline.mirror import mirror
from training.pipeline.provenance import describe_training
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages.compress import ENCODER_FOLDER
from training.pipeline.stages.evaluate import CANDIDATE
from training.pipeline.tracked import add_version
from training.progress import log_progress
from training.registry import model_card, publish
from training.registry.export import publish_next
from training.tracking.config import MLflowConfig


def run_stage(run: RunFolder) -> None:
    """Publish the version, and write its report, its manifest and its model card beside the versions.

    A model that is a version already is not published again; its report is replaced.

    Raises:
        PublishError: The repository cannot be written. The message names a version that exists without its report.
    """
    repository = Path(run.configuration.paths.repository)
    encoder = run.require_stage("compress") / ENCODER_FOLDER
    report = read_report(run.require_stage("evaluate") / REPORT_FILE)
    manifest = {**json.loads((encoder / "manifest.json").read_bytes()), "training": describe_training(run)}
    with run.write_stage("export") as folder:
        version = publish.find_version(repository, manifest["digest"]) or publish_next(
            encoder, repository, manifest, run.require_stage("train") / run.folder.name
        )
        beside = repository / publish.TEXT_ENCODER / publish.EVALUATIONS / manifest["digest"]
        name = version_name(version["version"])
        report = report.rename_encoder(CANDIDATE, name)
        searches = [each for each in report.systems if report.systems[each].get("encoder") == name]
        for each in searches:
            report.systems[each]["version"] = version["version"]
        try:
            write_report(report, beside)
            model_card.write(version, report, name, beside)
        except EvaluationError as error:
            raise PublishError(
                f"{name} was published, but its report was not written: {error} "
                f"Evaluate it again: akin evaluate {version['version']} --set FOLDER."
            ) from error
        (folder / "manifest.json").write_text(json.dumps(version, indent=2, ensure_ascii=False) + "\n")
    run.record(
        version={"number": version["version"], "digest": version["digest"], "promoted": version["promoted"]},
        evaluation=str(beside),
    )
    add_version(run, version, beside)
    if isinstance(run.configuration.tracking, MLflowConfig):
        try:
            mirror(run.configuration)
        except TrainingError as error:  # the version is published, and the aliases can follow later
            log_progress(f"tracking: {error}")
    log_progress(f"encoder version {version['version']}, its report in {beside}")
