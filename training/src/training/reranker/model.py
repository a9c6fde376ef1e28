"""Make a cross-encoder of an encoder: its layers and word vectors, and a new layer with one output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from transformers.utils import logging

from training import devices
from training.errors import SourceError
from training.reranker.pair_tokens import Pairs, Tokens, pair_template


class Trained:
    """Cross-encoder in training, with its tokenizer, device and precision.

    Attributes:
        network: the model; it returns logits.
        device: `cpu` or `cuda`.
        precision: precision of its products.
    """

    def __init__(self, model: CrossEncoder, device: str, max_length: int) -> None:
        self._model, self._max_length = model, max_length
        self.device = device
        self.precision = devices.choose_precision("auto", device)
        bottom: Any = model[0]
        self.network: torch.nn.Module = bottom.model
        self.network.to(device)

    def pairs(self, queries: Sequence[str], texts: Sequence[str]) -> Pairs:
        """Return all pairs of some queries and passages."""
        tokenizer = self._model.tokenizer
        template = pair_template(tokenizer)
        most = self._max_length - template.extra
        sides = [Tokens(tokenizer, side, most, self.device) for side in (queries, texts)]
        return Pairs(sides[0], sides[1], template, self._max_length)

    def score(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the score of each pair, float32 [pairs]."""
        with devices.autocast(self.precision, self.device):
            logits: torch.Tensor = self.network(**inputs).logits
        return logits[:, 0].float()

    def save(self, folder: Path) -> None:
        """Write the folder that `CrossEncoder(folder)` reads; its scores are logits."""
        self.network.float().eval()
        self._model.save_pretrained(str(folder))


def load_trained(
    location: str, *, max_length: int, device: Literal["auto", "cpu"], seed: int, dropout: float | None = None
) -> Trained:
    """Return a cross-encoder with the weights of an encoder, and a new output drawn by the seed.

    `dropout` replaces that of all layers; None leaves the model's own.

    Raises:
        SourceError: The model cannot be loaded.
    """
    torch.manual_seed(seed)
    try:
        # It warns that the output is new and has to be trained.
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it has no annotations
        bottom = Transformer(
            _bottom(location),
            transformer_task="sequence-classification",
            config_kwargs={"num_labels": 1},
            model_kwargs={"dtype": torch.float32},
            processor_kwargs={"model_max_length": max_length},
        )
        model: Any = CrossEncoder(modules=[bottom], activation_fn=torch.nn.Identity(), device="cpu")
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(f"{location} cannot be loaded as a cross-encoder: {first_line}") from error
    if dropout is not None:
        for each in bottom.model.modules():
            if isinstance(each, torch.nn.Dropout):
                each.p = dropout
    return Trained(model, devices.choose_device(device), max_length)


def _bottom(location: str) -> str:
    """Return where the encoder itself is: some sentence-transformers folders hold it in a folder of its own."""
    inner = Path(location) / "0_Transformer"
    return str(inner) if (inner / "config.json").is_file() else location
