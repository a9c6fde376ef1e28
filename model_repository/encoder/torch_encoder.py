"""Run a BERT encoder in torch on texts that are laid end to end, so that no token is padding.

The texts of a run share one sequence of fixed capacity; attention sees the borders between them (variable-length
FlashAttention). A run has one of few shapes, each of which is recorded once as a CUDA graph: then the host starts a
run with one call in place of a hundred, and runs end to end on the GPU. On a CPU the same code runs text by text, for
dry runs.

Imports torch only, as Triton's Python backend runs it too, with the NumPy that its stub was built for.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn import functional

# The capacities of a run in tokens: one query, some, and bulk work.
CAPACITIES = (64, 256, 1024, 4096, 16384, 65536)
# The lengths for which a run's attention is recorded.
LENGTHS = (64, 128, 256, 512)
# The texts that are tokenised together.
_GROUP = 1024


class UnsupportedModel(Exception):
    """Model that this runtime does not compute; the message has the reason."""


class Shape(NamedTuple):
    """Shape of a run.

    Attributes:
        capacity: The most tokens.
        texts: The most texts.
        length: The most tokens of a text.
    """

    capacity: int
    texts: int
    length: int


class _Recorded(NamedTuple):
    graph: Any
    ids: Any
    borders: Any
    vectors: Any


class TorchEncoder:
    """Encoder of a sentence-transformers folder: BERT, mean or CLS pooling, unit vectors.

    Attributes:
        dim: The length of a vector.
        max_length: The most tokens of a text that are read.
        pad_id: The id of padding.
        on_gpu: True if it computes on a GPU.
    """

    def __init__(
        self, folder: Path, device: str, dtype: Any, *,
        max_length: int | None = None, graphs: bool = True, compiled: bool = False,
    ) -> None:  # fmt: skip
        """Load the weights.

        Args:
            folder: The folder.
            device: `cuda` or `cpu`.
            dtype: The type in which matrices are multiplied.
            max_length: The most tokens of a text that are read; None for what the folder says.
            graphs: Record runs as CUDA graphs; without effect on a CPU.
            compiled: Compile the forward pass with torch.compile, which takes a minute.

        Raises:
            UnsupportedModel: The model is of another kind.
        """
        config = json.loads((folder / "config.json").read_bytes())
        if config.get("model_type") != "bert" or config.get("hidden_act", "gelu") != "gelu":
            raise UnsupportedModel(f"it computes BERT with GELU only, and {folder.name} is {config.get('model_type')}")
        self._device, self._dtype = torch.device(device), dtype
        self.on_gpu = device == "cuda"
        self._graphs = graphs and self.on_gpu
        self._heads: int = config["num_attention_heads"]
        self._epsilon: float = config.get("layer_norm_eps", 1e-12)
        self.dim: int = config["hidden_size"]
        self.max_length = min(max_length or _max_length(folder), config["max_position_embeddings"])
        self.pad_id: int = config.get("pad_token_id") or 0
        self._mean = _pools_by_mean(folder)
        self._load(_weights(folder), config["num_hidden_layers"])
        self._recorded: dict[Shape, _Recorded] = {}
        self._pool: Any = None
        self._run = torch.compile(self._forward, dynamic=False) if compiled else self._forward
        self._tokenizer: Any = None
        self._tokenizer_file = folder / "tokenizer.json"

    def encode(self, texts: Sequence[str], capacity: int = CAPACITIES[-1]) -> Any:
        """Return unit vectors, float32 [texts, dim], on the CPU.

        Tokenisation of a group runs in other threads while the GPU works on the groups before.
        """
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        groups = [order[at : at + _GROUP] for at in range(0, len(order), _GROUP)]
        parts = []
        with ThreadPoolExecutor(3) if len(groups) > 1 else nullcontext() as pool:
            for ids in (pool.map if pool else map)(lambda group: self.tokenize([texts[at] for at in group]), groups):
                parts += [found for _, found in self.run_all(ids, capacity)]
        vectors = torch.cat(parts).cpu()
        ordered = torch.empty_like(vectors)
        ordered[torch.tensor(order)] = vectors
        return ordered

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of texts, cut to the length that the encoder reads."""
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            tokenizer = Tokenizer.from_file(str(self._tokenizer_file))
            tokenizer.no_padding()
            tokenizer.enable_truncation(self.max_length)
            self._tokenizer = tokenizer
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def run_all(self, ids: Sequence[list[int]], capacity: int = CAPACITIES[-1]) -> Iterator[tuple[range, Any]]:
        """Yield positions and vectors of texts, run by run; the vectors are on the device.

        The order is that of the texts: sort them by length for the best speed.
        """
        start = tokens = longest = 0
        for at, text in enumerate(ids):
            length = self._length(max(longest, len(text)))
            if tokens and (tokens + len(text) > capacity or at - start >= _most_texts(capacity, length)):
                yield range(start, at), self.run(ids[start:at])
                start, tokens, longest = at, 0, 0
            tokens += len(text)
            longest = max(longest, len(text))
        if start < len(ids):
            yield range(start, len(ids)), self.run(ids[start:])

    def run(self, ids: Sequence[list[int]]) -> Any:
        """Return the vectors of texts that fit into one run, float32 [texts, dim], on the device."""
        # An array is made of numbers in a third of the time that a tensor takes.
        flat = torch.frombuffer(array("i", chain.from_iterable(ids)), dtype=torch.int32)
        return self.run_flat(flat, [len(text) for text in ids])

    def run_flat(self, flat: Any, lengths: Sequence[int]) -> Any:
        """Return the vectors of texts whose ids lie end to end in `flat`, int32 [tokens]."""
        length = self._length(max(lengths))
        capacity = next((each for each in CAPACITIES if each >= len(flat)), len(flat))
        slots = _most_texts(capacity, length)
        while slots < len(lengths):
            slots *= 2
        borders = [0, *accumulate(lengths)]
        borders += [borders[-1]] * (slots + 1 - len(borders))
        cuts = torch.tensor(borders, dtype=torch.int32)
        if not self._graphs:
            with torch.inference_mode():
                return self._run(flat.to(self._device), cuts.to(self._device), length)[: len(lengths)]
        shape = Shape(capacity, slots, length)
        recorded = self._recorded.get(shape) or self._record(shape)
        with torch.inference_mode():
            recorded.ids[: len(flat)].copy_(flat.pin_memory(), non_blocking=True)
            recorded.borders.copy_(cuts.pin_memory(), non_blocking=True)
            recorded.graph.replay()
            # The next run of this shape writes to the same memory.
            return recorded.vectors[: len(lengths)].clone()

    def _record(self, shape: Shape) -> _Recorded:
        """Record the run of a shape."""
        with torch.inference_mode():
            ids = torch.zeros(shape.capacity, dtype=torch.int32, device=self._device)
            borders = torch.zeros(shape.texts + 1, dtype=torch.int32, device=self._device)
            borders[1:] = min(shape.length, shape.capacity)
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self._run(ids, borders, shape.length)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                vectors = self._run(ids, borders, shape.length)
            self._pool = self._pool or graph.pool()
        self._recorded[shape] = _Recorded(graph, ids, borders, vectors)
        return self._recorded[shape]

    def _length(self, longest: int) -> int:
        """Return the recorded length for a run whose longest text has so many tokens."""
        return next((each for each in LENGTHS if each >= longest), longest)

    def _forward(self, ids: Any, borders: Any, length: int) -> Any:
        """Return the vector of each place for a text, float32 [places, dim].

        Tokens behind the last text belong to none: nothing of theirs reaches a vector.
        """
        places = len(borders) - 1
        token = torch.arange(len(ids), dtype=torch.int32, device=ids.device)
        text = torch.searchsorted(borders[1:], token, right=True)
        position = (token - borders[text.clamp(max=places)]).clamp(0, self.max_length - 1)
        states = self._words[ids.long()] + self._positions[position.long()]
        states = self._normalize(states, self._first)
        for layer in self._layers:
            mixed = functional.linear(states, *layer["qkv"]).view(len(ids), 3, self._heads, -1)
            attended = self._attend(mixed, borders, length).reshape(len(ids), self.dim)
            states = self._normalize(states + functional.linear(attended, *layer["out"]), layer["out_norm"])
            inner = functional.gelu(functional.linear(states, *layer["up"]))
            states = self._normalize(states + functional.linear(inner, *layer["down"]), layer["down_norm"])
        if self._mean:
            sums = torch.zeros(places + 1, self.dim, dtype=torch.float32, device=ids.device)
            pooled = sums.index_add_(0, text, states.float())[:-1] / borders.diff().clamp(min=1).unsqueeze(1)
        else:
            pooled = states[borders[:-1].clamp(max=len(ids) - 1).long()].float()
        return functional.normalize(pooled, dim=1)

    def _attend(self, mixed: Any, borders: Any, length: int) -> Any:
        """Return each token's attention to the tokens of its own text, [tokens, heads, dim]."""
        query, key, value = mixed.unbind(1)
        if query.is_cuda and query.dtype != torch.float32:
            return _varlen()(query, key, value, borders, borders, length, length)
        found = torch.zeros_like(query)
        cuts = borders.tolist()
        for start, end in pairwise(cuts):
            if end > start:
                parts = (each[start:end].transpose(0, 1).unsqueeze(0) for each in (query, key, value))
                found[start:end] = functional.scaled_dot_product_attention(*parts)[0].transpose(0, 1)
        return found

    def _normalize(self, states: Any, norm: tuple[Any, Any]) -> Any:
        return functional.layer_norm(states, (self.dim,), *norm, self._epsilon)

    def _load(self, weights: dict[str, Any], layers: int) -> None:
        """Put the weights on the device, query, key and value as one matrix."""
        word = next(name for name in weights if name.endswith("embeddings.word_embeddings.weight"))
        prefix = word.removesuffix("embeddings.word_embeddings.weight")

        def get(name: str) -> Any:
            return weights[prefix + name].to(self._device, self._dtype)

        def pair(name: str) -> tuple[Any, Any]:
            return get(f"{name}.weight"), get(f"{name}.bias")

        self._words = get("embeddings.word_embeddings.weight")
        # Every text is of type 0: add that vector once.
        self._positions = (
            get("embeddings.position_embeddings.weight") + get("embeddings.token_type_embeddings.weight")[0]
        )
        self._first = pair("embeddings.LayerNorm")
        self._layers = []
        for number in range(layers):
            at = f"encoder.layer.{number}"
            mixed = [pair(f"{at}.attention.self.{name}") for name in ("query", "key", "value")]
            self._layers.append(
                {
                    "qkv": tuple(torch.cat([each[part] for each in mixed]) for part in (0, 1)),
                    "out": pair(f"{at}.attention.output.dense"),
                    "out_norm": pair(f"{at}.attention.output.LayerNorm"),
                    "up": pair(f"{at}.intermediate.dense"),
                    "down": pair(f"{at}.output.dense"),
                    "down_norm": pair(f"{at}.output.LayerNorm"),
                }
            )


def _most_texts(capacity: int, length: int) -> int:
    """Return the places for texts of a run: one for each 8 tokens where texts are short, else for each 32."""
    return max(1, capacity // (8 if length <= LENGTHS[0] else 32))


def _varlen() -> Any:
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn


def _weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    if not path.is_file():
        raise UnsupportedModel(f"there is no {path}")
    return dict(load_file(str(path)))


def _max_length(folder: Path) -> int:
    try:
        return int(json.loads((folder / "sentence_bert_config.json").read_bytes())["max_seq_length"])
    except (OSError, KeyError, TypeError, ValueError):
        return int(json.loads((folder / "tokenizer_config.json").read_bytes()).get("model_max_length", 512))


def _pools_by_mean(folder: Path) -> bool:
    """Return True for the mean of all tokens, False for the first token's state."""
    modules = json.loads((folder / "modules.json").read_bytes())
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling", "Normalize"], ["Transformer", "Pooling"]):
        raise UnsupportedModel(f"its modules are {', '.join(kinds)}")
    pooling = json.loads((folder / modules[1]["path"] / "config.json").read_bytes())
    mode = pooling.get("pooling_mode")
    if pooling.get("pooling_mode_mean_tokens") or mode in ("mean", ["mean"]):
        return True
    if pooling.get("pooling_mode_cls_token") or mode in ("cls", ["cls"]):
        return False
    raise UnsupportedModel("its pooling is neither the mean nor the first token")


class TorchRuntime:
    """Encoder of a version's weights on padded rows, as `runtimes.open_encoder` returns it.

    Attributes:
        name: The runtime, with its version.
        inputs: The names of the tensors that it reads; types of tokens are all 0.
    """

    def __init__(self, encoder: TorchEncoder, dim: int) -> None:
        """Take the encoder, and the number of dimensions that a vector keeps."""
        self.name = f"torch {torch.__version__}"
        self.inputs = ["input_ids", "attention_mask"]
        self._encoder = encoder
        self._dim = dim

    def start(self, tensors: Mapping[str, Any]) -> Any:
        """Return the vectors of int64 tensors [rows, length], float32 [rows, dim], on the device."""
        ids, mask = (
            torch.utils.dlpack.from_dlpack(tensor.to_dlpack() if hasattr(tensor, "to_dlpack") else tensor)
            for tensor in (tensors[name] for name in self.inputs)
        )
        vectors = self._encoder.run_flat(ids[mask.bool()].int(), mask.sum(dim=1).tolist())
        return functional.normalize(vectors[:, : self._dim], dim=1) if self._dim < vectors.shape[1] else vectors

    def finish(self, started: Any) -> Any:
        """Return the vectors in main memory."""
        return started.cpu().contiguous()

    def warm_up(self) -> None:
        """Run, and on a GPU record, the usual shapes."""
        lengths = [min(each, self._encoder.max_length) for each in (16, 128, 256)]
        for capacity in CAPACITIES[:-1]:
            for length in lengths if self._encoder.on_gpu else lengths[:1]:
                rows = min(64, max(1, capacity // length))
                ids = torch.full((rows * length,), self._encoder.pad_id, dtype=torch.int32)
                self._encoder.run_flat(ids, [length] * rows)


def open_torch(folder: Path, made: Mapping[str, Any]) -> TorchRuntime:
    """Load a version's weights; the arguments are those of `runtimes.open_encoder`.

    Raises:
        Unusable: torch cannot use the device, or does not compute this model.
    """
    from runtimes import Unusable, first_line

    if made["device"] == "cuda":
        if not torch.cuda.is_available():
            built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built for CPUs"
            raise Unusable(
                f"torch {torch.__version__} {built} and sees no GPU: install a build that this machine's driver can run"
            )
        try:
            _varlen()
        except ImportError as error:
            raise Unusable(f"torch {torch.__version__} is too old: install 2.10 or newer") from error
    dtype = torch.float16 if made["device"] == "cuda" else torch.float32
    try:
        weights = folder / made.get("weights", "weights")
        encoder = TorchEncoder(weights, made["device"], dtype, max_length=made["max_length"])
    except (UnsupportedModel, OSError, ImportError, KeyError) as error:
        raise Unusable(f"torch's runtime does not compute this model: {first_line(error)}") from error
    return TorchRuntime(encoder, made["dim"])
