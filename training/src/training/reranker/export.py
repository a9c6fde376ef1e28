"""Make a version of the reranker: load, export to ONNX, quantise, check parity, publish.

Usage: python -m training.reranker.export --model MODEL --calibration PAPERS --repository DIR [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from akin.papers import Paper, passage_text
from akin.storage.digest import file_digest
from training.command import run_command
from training.compression.calibration import FEWEST_PAPERS, few_words, one_sentence, read_sample
from training.encoders import RUNTIMES
from training.errors import CalibrationError, ParityError, PublishError, SourceError
from training.progress import log_duration, log_progress
from training.registry import manifest, publish
from training.registry.export import publish_next
from training.registry.source import ModelSource

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from training.compression.linear_layers import Feed

NAMED = {
    "ms-marco-MiniLM-L6-v2": "cross-encoder/ms-marco-MiniLM-L6-v2",
    "ettin-reranker-17m": "cross-encoder/ettin-reranker-17m-v1",
    "ettin-reranker-32m": "cross-encoder/ettin-reranker-32m-v1",
    "mxbai-rerank-xsmall-v1": "mixedbread-ai/mxbai-rerank-xsmall-v1",
}
"""Rerankers with a short name, by their ids on the hub."""

PRECISIONS = ("INT8", "FP32")
RUNTIMES_OF = {"INT8": RUNTIMES, "FP32": ("onnxruntime",)}
"""Runtimes that may serve a version of each precision; `pairs.py` of the version chooses among them."""

CORRELATION = 0.99
_LONGEST = 512
"""Most tokens of a pair that a version reads, even if its model could read more."""

_CALIBRATION_PAIRS, _PROOF_PAIRS = 200, 160
_PAPERS_APART = 0.3

Pair = tuple[str, str]


def export(
    wanted: str,
    *,
    calibration_papers: Path,
    repository: Path,
    mapping: str | None = None,
    seed: int = 0,
    precisions: Sequence[str] = PRECISIONS,
) -> dict[str, Any]:
    """Export a CrossEncoder as the next version: in INT8, or in FP32 if INT8 fails its proof.

    Args:
        wanted: a name of `NAMED`, a hub id, or a folder that CrossEncoder.save_pretrained() wrote.
        calibration_papers: a file of papers that `papers.read_papers` reads.
        repository: Triton's model repository; created if it does not exist.
        mapping: mapping of the papers' fields, if the file needs one.
        seed: seed of every random choice.
        precisions: precisions to try, in this order; the first that passes its proof is published.

    Returns:
        The manifest, with `promoted` and the `folder`.

    Raises:
        TrainingError: A step failed; the repository is unchanged.
    """
    publish.check_writable(repository, publish.RERANKER)
    source = resolve(wanted)
    calibration, proof = read_pairs(calibration_papers, mapping, seed)
    with tempfile.TemporaryDirectory(prefix="akin-reranker-") as made:
        folder = Path(made)
        found = _compress(source, folder, calibration, proof, calibration_papers.name, seed, precisions)
        kept = Path(source.location) if Path(source.location).is_dir() else None
        return publish_next(folder, repository, found, kept, publish.PROJECT_RERANKER)


def resolve(wanted: str) -> ModelSource:
    """Return the model that a name, a hub id or a folder means.

    Raises:
        SourceError: The folder holds no model.
    """
    folder = Path(wanted).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
            raise SourceError(f"{folder} is not a CrossEncoder: it has no config.json. Give the folder that it saved.")
        name = folder.resolve().name
        return ModelSource(name, str(folder), f"folder {name}")
    if wanted.startswith(("/", ".", "~")) or wanted.count("/") > 1:
        raise SourceError(f"{folder} is not a folder. Give a folder, a hub id, or one of: {', '.join(NAMED)}.")
    hub = NAMED.get(wanted, wanted)
    return ModelSource(hub.rsplit("/", 1)[-1], hub, f"hub {hub}")


def read_pairs(path: Path, mapping: str | None, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Return pairs to calibrate with and pairs to prove parity on; no paper is in both.

    Raises:
        CalibrationError: The file cannot be read or has too few papers.
    """
    sample, _ = read_sample(path, mapping=mapping, seed=seed)
    read = [each for each in sample if each.title and each.abstract]
    if len(read) < FEWEST_PAPERS:
        raise CalibrationError(f"{path} has {len(read)} papers with title and abstract; {FEWEST_PAPERS} are needed.")
    rng = random.Random(seed)
    rng.shuffle(read)
    cut = int(len(read) * _PAPERS_APART)
    return _pairs(read[cut:], _CALIBRATION_PAIRS, rng), _pairs(read[:cut], _PROOF_PAIRS, rng)


def _pairs(papers: Sequence[Paper], count: int, rng: random.Random) -> list[Pair]:
    """Return pairs of a query of one paper with its own passage or, as often, with another paper's."""
    kinds = (lambda paper, _: paper.title, one_sentence, few_words)
    chosen = [papers[at % len(papers)] for at in range(count)]
    return [
        (kinds[at % 3](paper, rng), passage_text(paper if at % 2 else rng.choice(papers)))
        for at, paper in enumerate(chosen)
    ]


def _compress(
    source: ModelSource,
    folder: Path,
    calibration: list[Pair],
    proof: list[Pair],
    papers: str,
    seed: int,
    precisions: Sequence[str],
) -> dict[str, Any]:
    with log_duration("loading libraries"):
        from training.compression import onnx_export
        from training.compression.quantize import QuantizationRecipe, quantize
        from training.reranker import graph as graphs

    publish.copy_code(folder, publish.PROJECT_RERANKER)
    try:
        with log_duration(f"loading {source.name}"):
            model = graphs.load(source)
            max_length = min(model.max_seq_length or _LONGEST, _LONGEST)
            model.max_seq_length = max_length
        with log_duration("calculating reference scores"):
            true = graphs.reference_scores(model, proof)
        with log_duration("exporting to ONNX"):
            exact = graphs.export_graph(model, folder / "exported.onnx")
            pad_id = graphs.save_tokenizer(model, folder / "tokenizer.json")
        (folder / "exported.onnx").unlink()
        digest = _weights_digest(source, model)
        attempts: dict[str, Any] = {}
        for precision in precisions:
            graph, recipe = exact, {"precision": "FP32", "method": "none"}
            if precision == "INT8":
                chosen = QuantizationRecipe(seed=seed)
                with log_duration(f"quantising to INT8 with {len(calibration)} pairs"):
                    feeds = _feeds(folder / "tokenizer.json", calibration, onnx_export.inputs(exact), max_length)
                    graph = quantize(exact, feeds, chosen, log_progress)
                recipe = {"precision": "INT8", **chosen.as_json()}
            (folder / "model.onnx").write_bytes(graph.SerializeToString())
            made = manifest.build_manifest(
                folder,
                name=source.name,
                dim=1,
                max_length=max_length,
                inputs=onnx_export.inputs(graph),
                pad_id=pad_id,
                base={"source": source.origin, "weights_sha256": digest},
                recipe={**recipe, "calibration": {"pairs": len(calibration), "papers": papers}, **attempts},
            )
            made["graph"]["output"] = graphs.OUTPUT
            manifest.write(folder, made)
            with log_duration(f"checking parity in {precision} on {len(proof)} pairs"):
                made["parity"] = graphs.measure_parity(folder, true, proof, RUNTIMES_OF[precision])
            if made["parity"]["correlation"] >= CORRELATION and made["parity"]["alone_vs_batched"] <= 0.02:
                manifest.write(folder, made)
                return made
            log_progress(f"{precision} fails its proof: correlation {made['parity']['correlation']:.4f}")
            attempts = {"int8_refused": made["parity"]}
    except OSError as error:
        raise PublishError(f"cannot write {error.filename or folder}: {error.strerror or error}.") from error
    raise ParityError(
        f"nothing was published: even in {precision} the scores correlate with those of the original by "
        f"{made['parity']['correlation']:.4f} only, at least {CORRELATION} is required."
    )


def _feeds(tokenizer_file: Path, pairs: Sequence[Pair], inputs: Sequence[str], max_length: int) -> Iterator[Feed]:
    """Yield the graph's inputs for one pair after another, each [1, tokens] without padding."""
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.enable_truncation(max_length, strategy="longest_first")
    for query, text in pairs:
        encoding = tokenizer.encode(query, text)
        columns = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        yield {name: np.array([columns[name]], dtype=np.int64) for name in inputs}


def _weights_digest(source: ModelSource, model: CrossEncoder) -> str:
    from training.reranker.graph import tensors_sha256

    file = Path(source.location) / "model.safetensors"
    return file_digest(file) if file.is_file() else tensors_sha256(model)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), _run, arguments)


def _run(options: argparse.Namespace) -> str:
    result = export(
        options.model,
        calibration_papers=options.calibration,
        repository=options.repository,
        mapping=options.map,
        seed=options.seed,
        precisions=PRECISIONS if options.precision == "auto" else (options.precision.upper(),),
    )
    if options.json:
        return json.dumps(result, ensure_ascii=False)
    return f"version {result['version']} of {result['name']}, {result['recipe']['precision']}: {result['parity']}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.reranker.export",
        description="Make a version of the Triton model `reranker` from a CrossEncoder of sentence-transformers.",
    )
    add = parser.add_argument
    add("--model", required=True, help=f"a folder, a hub id, or one of: {', '.join(NAMED)}")
    add("--calibration", type=Path, required=True, metavar="PAPERS", help="a file of papers")
    add("--map", metavar="FIELDS", help="the fields of that file, such as id=_id,title=title,abstract=text")
    add("--repository", type=Path, required=True, metavar="DIR", help="Triton's model repository")
    add("--precision", choices=("auto", "int8", "fp32"), default="auto", help="`auto`: INT8, or FP32 if that fails")
    add("--seed", type=int, default=0, help="seed of every random choice (default: 0)")
    add("--json", action="store_true", help="print the manifest as JSON, with `promoted` and `folder`")
    return parser


if __name__ == "__main__":
    sys.exit(main())
