"""`export`: the fine-tuned model becomes a version of the encoder."""

from __future__ import annotations

import json
from pathlib import Path

from training.export import export
from training.run_folder import RunFolder
from training.stages.prepare import corpus_path


def run(run: RunFolder) -> None:
    """Publishes the version and writes its manifest.

    Raises:
        TrainingError: Whatever stood in the way; the model repository is as it was.
    """
    configuration = run.configuration
    model = run.need("train") / run.folder.name
    wanted = configuration.export.calibration
    calibration = Path(wanted) if wanted else corpus_path(configuration.data, Path(configuration.paths.data))
    with run.making("export") as folder:
        made = export(
            str(model),
            calibration_papers=calibration,
            repository=Path(configuration.paths.repository),
            mapping=None if wanted else configuration.data.mapping,
            seed=configuration.seed,
        )
        (folder / "manifest.json").write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")
    run.record(version={"number": made["version"], "digest": made["digest"], "promoted": made["promoted"]})
