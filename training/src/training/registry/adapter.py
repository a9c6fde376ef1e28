"""Put a bottleneck adapter into the layers of a BERT, as SPECTER2 needs it, from its two files and without its library.

The adapter is that of Pfeiffer et al. (2021, "AdapterFusion"), `seq_bn` in the library `adapters`: two linear layers
after each feed-forward block. They are not linear together, so they stay in the graph.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers.activations import get_activation

from training.errors import SourceError, UnsupportedModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter.safetensors", "pytorch_adapter.bin")
_KEY = re.compile(r"layer\.(\d++)\.output\.adapters\.[^.]++\.(adapter_down\.0|adapter_up)\.(weight|bias)$")
# The one form that is built here; any other would give other vectors.
_FORM = {
    "adapter_residual_before_ln": False,
    "ln_after": False,
    "ln_before": False,
    "mh_adapter": False,
    "original_ln_after": True,
    "original_ln_before": True,
    "output_adapter": True,
    "residual_before_ln": True,
}
_ABSENT = {"phm_layer": False, "use_gating": False, "leave_out": [], "is_parallel": False}


class AdaptedOutput(nn.Module):
    """Output of a layer's feed-forward block, with an adapter between the block and its layer norm."""

    def __init__(self, output: nn.Module, weights: Mapping[str, torch.Tensor], activation: str, scaling: float) -> None:
        """Take the block's own output module and the adapter's weights for this layer."""
        super().__init__()
        self.output = output
        self.down = _linear(weights["adapter_down.0.weight"], weights["adapter_down.0.bias"])
        self.up = _linear(weights["adapter_up.weight"], weights["adapter_up.bias"])
        self.activation = get_activation(activation)  # type: ignore[no-untyped-call]  # it has no annotations
        self.scaling = scaling

    def forward(self, hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> torch.Tensor:
        """Return the layer's output of the block's inner states and the block's input."""
        dense, norm = self.output.dense, self.output.LayerNorm
        states = self.output.dropout(dense(hidden_states))  # type: ignore[operator]
        adapted = self.up(self.activation(self.down(norm(states + input_tensor)))) * self.scaling  # type: ignore[operator]
        result: torch.Tensor = norm(adapted + states + input_tensor)  # type: ignore[operator]
        return result


def fetch(adapter: str) -> Path:
    """Return the folder of an adapter; one on the hub is fetched, its settings and weights only.

    Raises:
        SourceError: There is no adapter.
    """
    folder = Path(adapter).expanduser()
    if not folder.is_dir() and not adapter.startswith(("/", ".", "~")):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        try:
            folder = Path(snapshot_download(adapter, allow_patterns=[CONFIG, *WEIGHTS]))
        except (OSError, ValueError, HFValidationError, HfHubHTTPError) as error:
            raise SourceError(
                f"the adapter {adapter} cannot be fetched: {type(error).__name__}. Give its folder with --adapter."
            ) from error
    if not (folder / CONFIG).is_file():
        raise SourceError(f"{folder} is not an adapter: it has no {CONFIG}.")
    return folder


def put_into(model: SentenceTransformer, folder: Path, name: str) -> None:
    """Put an adapter into each layer of the model.

    Raises:
        SourceError: The weights cannot be read, or are not those of this model.
        UnsupportedModel: It is another kind of adapter.
    """
    settings = json.loads((folder / CONFIG).read_bytes())
    first: Any = model[0]
    if "peft_type" in settings:
        raise UnsupportedModel(
            f"{folder} is an adapter of PEFT ({settings['peft_type']}). Merge it first (PeftModel.merge_and_unload()), "
            "save the model with SentenceTransformer.save(), and give that folder."
        )
    form = settings.get("config", settings)
    if not isinstance(form, dict) or any(form.get(key) != value for key, value in _FORM.items()) or any(
        form.get(key, value) not in (value, None) for key, value in _ABSENT.items()
    ):  # fmt: skip
        raise UnsupportedModel(
            f"{folder} is not a bottleneck adapter of the form seq_bn (pfeiffer), as SPECTER2 has it."
        )
    layers = getattr(getattr(first.auto_model, "encoder", None), "layer", None)
    if layers is None or not hasattr(layers[0], "output"):
        raise UnsupportedModel(f"{name} is not a BERT: an adapter can only be put into one.")
    found: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in _weights(folder).items():
        if match := _KEY.search(key):
            found.setdefault(int(match[1]), {})[f"{match[2]}.{match[3]}"] = tensor.float()
    width = first.auto_model.config.hidden_size
    if sorted(found) != list(range(len(layers))) or any(
        len(each) != 4 or each["adapter_up.weight"].shape[0] != width for each in found.values()
    ):  # fmt: skip
        raise SourceError(
            f"the adapter in {folder} is not for {name}: it has weights for {len(found)} layers of {len(layers)}."
        )
    for number, layer in enumerate(layers):
        layer.output = AdaptedOutput(
            layer.output, found[number], str(form.get("non_linearity", "relu")), float(form.get("scaling") or 1.0)
        )


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise SourceError(f"{folder} has no weights ({' or '.join(WEIGHTS)}).")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        # Only tensors are read: a pickle could run code.
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    return dict(loaded)


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.load_state_dict({"weight": weight, "bias": bias})
    return made
