"""Build tiny encoders with random weights that have the architecture, tokenizer and modules of the named recipes."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS = [
    first + second for first in "ba ce di fo gu ha je ki lo mu".split() for second in "ran sel tin vox zum lyr".split()
]
HIDDEN = 32
LAYERS = 2
_SIZES = {
    "hidden_size": HIDDEN,
    "intermediate_size": 64,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "max_position_embeddings": 130,
}
_TEXTS = [*WORDS, "query: ", "passage: ", "search_query: search_document: ",
          "Represent this sentence for searching relevant passages: "]  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """Architecture and modules of an encoder.

    Attributes:
        architecture: `bert`, `roberta`, `xlm-roberta`, `modernbert`, `nomic_bert` or `static`.
        pooling: pooling mode.
        dense: output dimensions of a Dense module after pooling; None for no such module.
        normalize: True if the saved model has a module Normalize.
        prompts: prompts in the saved model; None for a model that was saved without any.
        lowercase: True if the tokenizer has no case.
    """

    architecture: str = "bert"
    pooling: str | tuple[str, ...] = "mean"
    dense: int | None = None
    normalize: bool = True
    prompts: dict[str, str] | None = None


_ASK = {"query": "Represent this sentence for searching relevant passages: "}
SHAPES = {
    "all-MiniLM-L6-v2": Shape(),
    "all-MiniLM-L12-v2": Shape(),
    # Models of before sentence-transformers 2.4 have no prompts of their own: the recipe's are used.
    "bge-small-en-v1.5": Shape(pooling="cls"),
    "bge-base-en-v1.5": Shape(pooling="cls"),
    "e5-small-v2": Shape(),
    "gte-small": Shape(),
    "NoInstruct-small-Embedding-v0": Shape(pooling="cls"),
    "snowflake-arctic-embed-xs": Shape(pooling="cls", prompts=_ASK),
    "snowflake-arctic-embed-s": Shape(pooling="cls", prompts=_ASK),
    "mdbr-leaf-ir": Shape(dense=48, normalize=False, prompts={**_ASK, "document": ""}),
    "granite-embedding-30m-english": Shape("roberta", pooling="cls"),
    "granite-embedding-small-english-r2": Shape("modernbert", pooling="cls"),
    "gte-modernbert-base": Shape("modernbert", pooling="cls", normalize=False),
    "nomic-embed-text-v1.5": Shape("nomic_bert"),
    "specter2": Shape(pooling="cls", normalize=False),
    "multilingual-e5-small": Shape("xlm-roberta"),
    "potion-retrieval-32M": Shape("static"),
}


def build(shape: Shape, folder: Path) -> Path:
    """Write a model as `SentenceTransformer.save()` does, and return its folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Dense,
        Normalize,
        Pooling,
        StaticEmbedding,
        Transformer,
    )

    torch.manual_seed(0)
    if shape.architecture == "static":
        modules: list[Any] = [StaticEmbedding(_word_piece(), embedding_dim=HIDDEN)]
    else:
        base = folder.parent / f"{folder.name}-base"
        _save_transformer(shape.architecture, base)
        modules = [Transformer(str(base)), Pooling(HIDDEN, shape.pooling)]
    if shape.dense:
        modules.append(Dense(HIDDEN, shape.dense, activation_function=torch.nn.Identity()))
    if shape.normalize:
        modules.append(Normalize())
    SentenceTransformer(modules=modules, prompts=shape.prompts, device="cpu").save(str(folder))
    if shape.prompts is None:
        settings = folder / "config_sentence_transformers.json"
        settings.write_text(json.dumps({"__version__": {}}))
    return folder


def build_adapter(folder: Path, layers: int = LAYERS) -> Path:
    """Write a bottleneck adapter as the library `adapters` does: `pytorch_adapter.bin` and `adapter_config.json`."""
    import torch

    torch.manual_seed(1)
    folder.mkdir()
    shapes = {"adapter_down.0": (4, HIDDEN), "adapter_up": (HIDDEN, 4)}
    weights = {
        f"bert.encoder.layer.{layer}.output.adapters.tiny.{part}.{kind}": torch.randn(
            size if kind == "weight" else size[:1]
        )
        for layer in range(layers)
        for part, size in shapes.items()
        for kind in ("weight", "bias")
    }
    torch.save(weights, folder / "pytorch_adapter.bin")
    form = {
        "adapter_residual_before_ln": False, "cross_adapter": False, "dropout": 0.0, "inv_adapter": None,
        "is_parallel": False, "leave_out": [], "ln_after": False, "ln_before": False, "mh_adapter": False,
        "non_linearity": "relu", "original_ln_after": True, "original_ln_before": True, "output_adapter": True,
        "phm_layer": False, "reduction_factor": 8, "residual_before_ln": True, "scaling": 1.0, "use_gating": False,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(
        json.dumps({"config": form, "hidden_size": HIDDEN, "model_type": "bert"})
    )
    return folder


def save_nomic_of_the_hub(folder: Path) -> tuple[Any, Path]:
    """Write a NomicBERT with random weights under the names of the hub's own code, and return it and its folder.

    It has the sizes of nomic-embed-text-v1.5, except for its words.
    """
    import torch
    import transformers
    from safetensors.torch import save_file

    torch.manual_seed(0)
    own = _tokenizer("nomic_bert")
    own.save_pretrained(folder)
    model = transformers.NomicBertModel(transformers.NomicBertConfig(vocab_size=len(own))).eval()
    names = {
        "embeddings.LayerNorm": "emb_ln",
        "self_attn.o_proj": "attn.out_proj",
        "up_proj": "fc11",
        "gate_proj": "fc12",
        "down_proj": "fc2",
        "post_attention_layernorm": "norm1",
        "post_mlp_layernorm": "norm2",
    }
    weights = {}
    for name, value in model.state_dict().items():
        renamed = f"encoder.{name}" if name.startswith("layers.") else name
        for read, saved in names.items():
            renamed = renamed.replace(read, saved)
        weights[renamed] = value.contiguous()
    for layer in range(model.config.num_hidden_layers):
        three = [weights.pop(f"encoder.layers.{layer}.self_attn.{part}_proj.weight") for part in "qkv"]
        weights[f"encoder.layers.{layer}.attn.Wqkv.weight"] = torch.cat(three)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    code = "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBert"
    settings = {
        "model_type": "nomic_bert",
        "auto_map": {"AutoConfig": f"{code}Config", "AutoModel": f"{code}Model"},
        "activation_function": "swiglu",
        "n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": 3072, "n_positions": 8192,
        "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0, "layer_norm_epsilon": 1e-12,
        "vocab_size": len(own), "type_vocab_size": 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(settings))
    return model, folder


def sentences(count: int, seed: int = 0) -> list[str]:
    """Return sentences of invented words, from one word to more than a model reads."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, 80))) for _ in range(count)]


def _word_piece() -> Any:
    import tokenizers

    made = tokenizers.BertWordPieceTokenizer()
    made.train_from_iterator(_TEXTS, vocab_size=300, show_progress=False)
    return made._tokenizer


def _save_transformer(architecture: str, folder: Path) -> None:
    import transformers

    own = _tokenizer(architecture)
    ids = {
        "vocab_size": len(own),
        "pad_token_id": own.pad_token_id,
        "cls_token_id": own.cls_token_id,
        "sep_token_id": own.sep_token_id,
        "bos_token_id": own.cls_token_id,
        "eos_token_id": own.sep_token_id,
    }
    more: dict[str, Any] = {}
    if architecture == "modernbert":
        # One layer of global attention and one of local, narrower than the longest text.
        more = {"global_attn_every_n_layers": 2, "local_attention": 16}
    config = transformers.AutoConfig.for_model(architecture, **_SIZES, **ids, **more)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    own.save_pretrained(folder)


def _tokenizer(architecture: str) -> Any:
    import tokenizers
    import transformers

    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    if architecture in {"roberta", "xlm-roberta"}:
        names = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
    special = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), names, strict=True))
    if architecture in {"bert", "nomic_bert"}:
        return transformers.BertTokenizerFast(tokenizer_object=_word_piece(), model_max_length=96, **special)
    if architecture == "xlm-roberta":
        made = tokenizers.Tokenizer(tokenizers.models.Unigram())
        made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
        # XLM-RoBERTa has its special tokens first, in this order.
        order = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
        trainer: Any = tokenizers.trainers.UnigramTrainer(
            vocab_size=300, special_tokens=list(order), unk_token="<unk>", show_progress=False
        )
    else:
        made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=names[1]))
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=400, show_progress=False, special_tokens=list(names),
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
    made.train_from_iterator(_TEXTS, trainer)
    made.post_processor = _frame(made, names[2], names[3])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=96, model_input_names=["input_ids", "attention_mask"], **special
    )


def _frame(made: Any, first: str, last: str) -> Any:
    import tokenizers

    pairs: Sequence[tuple[str, int]] = [(name, made.token_to_id(name)) for name in (first, last)]
    return tokenizers.processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=list(pairs))
