"""Load a CrossEncoder, write it as an ONNX graph, and prove that a version gives its scores."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer
from transformers.utils import logging

from training.arrays import Floats
from training.compression.onnx_export import INPUTS, trace
from training.compression.simplify import simplify
from training.encoders import RUNTIMES, version_scorer
from training.errors import SourceError, UnsupportedModel
from training.registry.source import ModelSource

Pair = tuple[str, str]
OUTPUT = "score"
_KNOWN_INPUTS = frozenset({*INPUTS, "token_type_ids"})  # those that the runtime of a version can feed


def load(source: ModelSource) -> CrossEncoder:
    """Load a CrossEncoder on the CPU in FP32.

    Raises:
        SourceError: The model cannot be loaded.
        UnsupportedModel: It has several outputs, a prompt, or no fast tokenizer.
    """
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it has no annotations
    try:
        model: CrossEncoder = CrossEncoder(source.location, device="cpu", model_kwargs={"dtype": torch.float32})
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(
            f"{source.location} cannot be loaded as a CrossEncoder: {first_line} "
            "Give a folder, or a hub id if the hub can be reached."
        ) from error
    if model.num_labels != 1:
        raise UnsupportedModel(f"{source.name} gives {model.num_labels} scores for a pair; a reranker gives one.")
    if model.default_prompt_name is not None:
        raise UnsupportedModel(f"{source.name} puts a prompt before every pair, which a served reranker does not do.")
    if getattr(model.tokenizer, "backend_tokenizer", None) is None:
        raise UnsupportedModel(f"{source.name} has no fast tokenizer (tokenizer.json), which serving needs.")
    bottom: Any = model[0]
    if getattr(bottom.model.config, "reference_compile", False) is None:
        bottom.model.config.reference_compile = False  # ModernBERT would compile parts of itself for one short use
    model.eval()
    return model


class _Scores(torch.nn.Module):
    """CrossEncoder as a function of its input tensors."""

    def __init__(self, model: CrossEncoder, names: Sequence[str]) -> None:
        super().__init__()
        self._model, self._names = model, names

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self._model(dict(zip(self._names, tensors, strict=True)))["scores"]
        return scores.reshape(-1, 1)


def export_graph(model: CrossEncoder, path: Path) -> onnx.ModelProto:
    """Write a model with dynamic numbers of pairs and tokens and one output, `score` [pairs, 1], and return it.

    Raises:
        UnsupportedModel: The model cannot be traced, or has inputs that a text cannot give.
    """
    example = model.preprocess([("one query", "one passage of a text"), ("another", "text")])
    names = [name for name in model.tokenizer.model_input_names if name in example]
    unknown = sorted(set(names) - _KNOWN_INPUTS)
    if unknown:
        raise UnsupportedModel(f"the model needs the inputs {', '.join(unknown)}, which a text cannot give.")
    with _unscripted(model):
        trace(_Scores(model, names), {name: example[name] for name in names}, OUTPUT, path)
    return simplify(onnx.load(path))


@contextmanager
def _unscripted(model: torch.nn.Module) -> Iterator[None]:
    """Replace functions that TorchScript compiled, as DeBERTa's are, with the originals, which leave no branches."""
    homes = [sys.modules[name] for name in {type(each).__module__ for each in model.modules()}]
    found = [
        (home, name, value)
        for home in homes
        for name, value in vars(home).items()
        if isinstance(value, torch.jit.ScriptFunction)
    ]
    try:
        for home, name, value in found:
            setattr(home, name, vars(value)["_torchdynamo_inline"])
        yield
    finally:
        for home, name, value in found:
            setattr(home, name, value)


def save_tokenizer(model: CrossEncoder, path: Path) -> int:
    """Write the tokenizer without truncation and padding, which serving sets itself, and return the padding's id."""
    tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(path))
    return int(model.tokenizer.pad_token_id or 0)


def reference_scores(model: CrossEncoder, pairs: Sequence[Pair]) -> Floats:
    """Return the logits of `CrossEncoder.predict`, float32 [pairs]."""
    found = model.predict(list(pairs), activation_fn=torch.nn.Identity(), show_progress_bar=False)
    return np.asarray(found, dtype=np.float32)


def measure_parity(
    folder: Path, true: Floats, pairs: Sequence[Pair], runtimes: Sequence[str] = RUNTIMES
) -> dict[str, Any]:
    """Compare a version on each of these runtimes that is installed with the scores of its original.

    Returns:
        The figures for the manifest, those of the worst runtime: `correlation` of the scores (Pearson), `error` and
        `alone_vs_batched` (greatest difference of a pair alone and in a batch) as shares of the scores' deviation.
    """
    spread = float(true.std()) or 1.0
    found: dict[str, dict[str, float]] = {}
    some = range(0, len(pairs), 8)
    for runtime in runtimes:
        if not importlib.util.find_spec(runtime):
            continue
        score = version_scorer(folder, runtime)
        scores = score(pairs)
        alone = np.concatenate([score([pairs[index]]) for index in some])
        found[runtime] = {
            "correlation": float(np.corrcoef(scores, true)[0, 1]),
            "error": float(np.sqrt(((scores - true) ** 2).mean()) / spread),
            "alone_vs_batched": float(np.abs(alone - scores[list(some)]).max() / spread),
        }
    worst = {"correlation": min, "error": max, "alone_vs_batched": max}
    return {
        **{name: choose(each[name] for each in found.values()) for name, choose in worst.items()},
        "pairs": len(pairs),
        "reference": "CrossEncoder.predict, FP32",
        "runtimes": found,
    }


def tensors_sha256(model: CrossEncoder) -> str:
    """Return the SHA-256 of a model's tensors, for a model of the hub."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
