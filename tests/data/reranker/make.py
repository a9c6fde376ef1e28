"""Make the files of a tiny reranker beside this one: `.venv-training/bin/python tests/data/reranker/make.py`.

Its score is how often the passage has the word "model"; the query does not matter.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = Path(__file__).parent
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "model"]

tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
tokenizer.normalizer = normalizers.Lowercase()
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer.post_processor = processors.TemplateProcessing(
    single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
)
tokenizer.save(str(HERE / "tokenizer.json"))

inputs = [
    helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"])
    for name in ("input_ids", "attention_mask", "token_type_ids")
]
nodes = [
    helper.make_node("Equal", ["input_ids", "word"], ["is_word"]),
    helper.make_node("Cast", ["is_word"], ["counted"], to=TensorProto.INT64),
    helper.make_node("Mul", ["counted", "token_type_ids"], ["in_passage"]),
    helper.make_node("Mul", ["in_passage", "attention_mask"], ["real"]),
    helper.make_node("Cast", ["real"], ["numbers"], to=TensorProto.FLOAT),
    helper.make_node("ReduceSum", ["numbers", "axis"], ["score"], keepdims=1),
]
constants = [
    numpy_helper.from_array(np.array(WORDS.index("model"), np.int64), "word"),
    numpy_helper.from_array(np.array([1], np.int64), "axis"),
]
score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows", 1])
graph = helper.make_graph(nodes, "counts", inputs, [score], constants)
made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
onnx.checker.check_model(made)
(HERE / "model.onnx").write_bytes(made.SerializeToString())

manifest = {
    "schema": 1,
    "version": 1,
    "name": "counts",
    "digest": "0" * 64,
    "created": "2026-01-01T00:00:00+00:00",
    "dim": 1,
    "max_length": 256,
    "recipe": {"precision": "FP32"},
    "parity": {"correlation": 1.0},
    "graph": {
        "file": "model.onnx",
        "inputs": ["input_ids", "attention_mask", "token_type_ids"],
        "output": "score",
        "pad_id": 0,
    },
    "files": {},
}
(HERE / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
