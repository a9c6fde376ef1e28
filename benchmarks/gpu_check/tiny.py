"""Make a tiny sentence-transformers model with random weights, for dry runs."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.gpu_check.texts import WORDS

HIDDEN, HEADS, LAYERS, LENGTH = 64, 4, 2, 128


def make_tiny_model(folder: Path) -> Path:
    """Write the model into a folder and return it; its files are those that sentence-transformers saves."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = Tokenizer(models.WordPiece({word: at for at, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=HIDDEN,
        num_attention_heads=HEADS,
        num_hidden_layers=LAYERS,
        intermediate_size=2 * HIDDEN,
        max_position_embeddings=LENGTH,
    )
    model = BertModel(config)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if "position_ids" not in name}
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})
    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    files: dict[str, object] = {
        "config.json": {**config.to_dict(), "architectures": ["BertModel"], "model_type": "bert"},
        "tokenizer_config.json": {
            "tokenizer_class": "BertTokenizer",
            "model_max_length": LENGTH,
            **{f"{name}_token": token for name, token in special.items()},
        },
        "sentence_bert_config.json": {"max_seq_length": LENGTH, "do_lower_case": False},
        "modules.json": [
            {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for at, (path, kind) in enumerate(modules)
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True},
        "vocab.txt": vocabulary,
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        text = "\n".join(vocabulary) + "\n" if name == "vocab.txt" else json.dumps(content, default=str)
        path.write_text(text)
    return folder
