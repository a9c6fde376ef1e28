"""Stand in for `akin train`: ten steps with a checkpoint each, then a version. It resumes as the real one does."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

STEPS = 10


def main(arguments: list[str]) -> int:
    data, repository = Path(os.environ["AKIN_DATA"]), Path(os.environ["AKIN_MODEL_REPOSITORY"])
    name = arguments[arguments.index("--resume") + 1] if "--resume" in arguments else "smoke-1"
    if "seed=broken" in arguments:
        print("train: the loss is no finite number", file=sys.stderr)
    for each in arguments:
        if each.startswith("data.papers="):
            papers = Path(each.partition("=")[2]).read_text()
            print(f"train: {len(papers.splitlines())} papers", file=sys.stderr)
    print(f"train: arguments {arguments}", file=sys.stderr, flush=True)
    print(f"train: wandb {'has its key' if os.environ.get('WANDB_API_KEY') else 'is off'}", file=sys.stderr, flush=True)
    run = data / "training" / name
    checkpoints = run / "train/checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    if not (run / "run.json").exists():
        (run / "run.json").write_text(json.dumps({"name": "smoke"}))
    done = max((int(each.name.split("-")[1]) for each in checkpoints.iterdir()), default=0)
    for step in range(done + 1, STEPS + 1):
        print(f"train: step {step}", file=sys.stderr, flush=True)
        (checkpoints / f"checkpoint-{step}").mkdir()
        (checkpoints / f"checkpoint-{step}/trainer_state.json").write_text(json.dumps({"step": step}))
        if "seed=broken" in arguments:
            return 1
        if not os.environ["FAKE_TRAINING_ENDS"] and step == done + 3:
            time.sleep(600)  # until this machine is taken away
        time.sleep(0.05)
    (run / "export").mkdir(exist_ok=True)
    (run / "export/manifest.json").write_text("{}")
    model = repository / "text_encoder"
    number = max([0, *(int(each.name) for each in model.glob("[0-9]*"))]) + 1
    weights = b"weights" * 100
    digest = hashlib.sha256(weights).hexdigest()
    (model / str(number)).mkdir(parents=True)
    (model / str(number) / "model.onnx").write_bytes(weights)
    manifest = {"digest": digest, "version": number, "files": {"model.onnx": {"sha256": digest}}}
    (model / str(number) / "manifest.json").write_text(json.dumps(manifest))
    (model / "config.pbtxt").write_text('name: "text_encoder"\n')
    (model / "evaluations" / digest).mkdir(parents=True)
    (model / "evaluations" / digest / "report.md").write_text("# Report\n")
    print(json.dumps({"run": str(run), "version": {"number": number, "digest": digest, "promoted": number == 1}}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
