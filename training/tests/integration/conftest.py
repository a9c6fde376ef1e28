"""Fixtures: tiny models with random weights, of two very different architectures, and papers."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

WORDS = [
    first + second for first in "ba ce di fo gu ha je ki lo mu".split() for second in "ran sel tin vox zum lyr".split()
]


def sentence(rng: random.Random, low: int, high: int) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(low, high)))


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write sixty papers of invented words, one JSON object on each line."""
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("papers") / "papers.jsonl"
    lines = [
        {
            "id": f"p{n}",
            "title": sentence(rng, 4, 9),
            "abstract": f"{sentence(rng, 5, 30)}. {sentence(rng, 3, 40)}.",
        }
        for n in range(60)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that makes a folder as SentenceTransformer.save() does, of a `bert` or a `modernbert`."""
    import tokenizers
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}

    def tokenizer(kind: str) -> transformers.PreTrainedTokenizerFast:
        if kind == "bert":
            made = tokenizers.BertWordPieceTokenizer()
            made.train_from_iterator(WORDS, vocab_size=200, show_progress=False)
            fast = transformers.BertTokenizerFast(tokenizer_object=made._tokenizer, model_max_length=48, **special)
            assert "token_type_ids" in fast.model_input_names
            return fast
        bpe = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[UNK]"))
        bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=400,
            show_progress=False,
            special_tokens=list(special.values()),
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        )
        bpe.train_from_iterator(WORDS, trainer)
        bpe.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[(name, bpe.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
        )
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=bpe, model_max_length=48, model_input_names=["input_ids", "attention_mask"], **special
        )

    def make(kind: str, dim: int = 32) -> Path:
        torch.manual_seed(0)
        own = tokenizer(kind)
        ids = {
            "hidden_size": dim,
            "vocab_size": len(own),
            "pad_token_id": own.pad_token_id,
            "cls_token_id": own.cls_token_id,
            "sep_token_id": own.sep_token_id,
            "bos_token_id": own.cls_token_id,
            "eos_token_id": own.sep_token_id,
        }
        if kind == "bert":
            model = transformers.BertModel(transformers.BertConfig(intermediate_size=64, **sizes, **ids))
        else:
            # One layer of global attention and one of local, narrower than the longest text.
            model = transformers.ModernBertModel(
                transformers.ModernBertConfig(
                    intermediate_size=64, global_attn_every_n_layers=2, local_attention=16, **sizes, **ids
                )
            )
        folder = tmp_path_factory.mktemp(kind)
        model.save_pretrained(folder / "base")
        own.save_pretrained(folder / "base")
        first = Transformer(str(folder / "base"))
        SentenceTransformer(modules=[first, Pooling(dim)], device="cpu").save(str(folder / "model"))
        return folder / "model"

    return make
