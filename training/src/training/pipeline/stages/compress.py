"""Stage `compress`: compress the fine-tuned model into a folder that is a version in all but its number."""

from __future__ import annotations

from pathlib import Path

from training.compression.compress import Compression, compress
from training.compression.prune import Pruning
from training.compression.quantize import QuantizationRecipe
from training.data.split import SplitPart
from training.pipeline.configuration import Fp16, Int8
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages.prepare import PART_FILES

ENCODER_FOLDER = "encoder"


def run_stage(run: RunFolder) -> None:
    """Write `encoder/`: the graph, the tokenizer, the code that runs them, and a manifest with the parity.

    Raises:
        TrainingError: The model cannot be compressed, or the result differs too much from it.
    """
    configuration = run.configuration
    settings = configuration.compress
    # The corpus holds the papers that the version is evaluated on: only its training part may shape the version.
    own = Path(settings.calibration).expanduser() if settings.calibration else None
    calibration = own or run.require_stage("prepare") / PART_FILES[SplitPart.TRAIN]
    model = run.require_stage("train") / run.folder.name
    with run.write_stage("compress") as folder:
        (folder / ENCODER_FOLDER).mkdir()
        manifest = compress(
            str(model),
            folder / ENCODER_FOLDER,
            calibration_papers=calibration,
            seed=configuration.seed,
            how=choose_compression(settings, configuration.seed),
            is_train_part=own is None,
        )
    size = sum(int(file["bytes"]) for file in manifest["files"].values())
    run.record(compressed={"digest": manifest["digest"], "bytes": size, "parity": manifest["parity"]})


def choose_compression(settings: Int8 | Fp16, seed: int) -> Compression:
    """Return the compression that the configuration describes."""
    pruning = Pruning(settings.layers, settings.token_count)
    if isinstance(settings, Fp16):
        return Compression("fp16", pruning)
    recipe = QuantizationRecipe(strengths=tuple(settings.smoothing), damping=settings.damping, seed=seed)
    return Compression("int8", pruning, recipe, settings.texts)
