"""Test which shapes each graph has run before the model is ready, with stand-ins for Triton and the runtime."""

from __future__ import annotations

import json
import sys
import threading
from hashlib import sha256
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

DIM, THREADS = 4, 3


class Runtime:
    """Opens graphs that note down what they run.

    Attributes:
        ran: Of each graph the shapes that it ran, in order: rows, tokens and slots.
    """

    def __init__(self) -> None:
        self.ran: list[list[tuple[int, int, int]]] = []
        self.adding = threading.Lock()

    def open_file(self, path: Path) -> Any:
        return self.open_graph

    def open_graph(self, threads: int) -> Any:
        mine: list[tuple[int, int, int]] = []
        with self.adding:
            self.ran.append(mine)

        def graph(feed: dict[str, Any]) -> Any:
            rows, length = feed["input_ids"].shape
            slots = len(feed["slots"])
            mine.append((rows, length, slots))
            return np.zeros((rows * slots, DIM), np.float32)

        return graph


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """Make a version whose tokenizer has one word."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"word": 1, "[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path / "1"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    graph = {"file": "model.onnx", "pad_id": 0, "inputs": ["input_ids", "segment_ids", "position_ids", "slots"]}
    manifest = {"dim": DIM, "max_length": 256, "digest": "0" * 64, "graph": graph}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def arguments(folder: Path) -> dict[str, str]:
    parameters = {
        "RUNTIME": "openvino",
        "THREADS": str(THREADS),
        "TOKEN_BUDGET": "1024",
        "MAX_TEXT_BYTES": "200000",
        "BULK_FROM_TEXTS": "9",
        "BULK_QUEUE_BYTES": "32000000",
    }
    config = {"max_batch_size": 64, "parameters": {key: {"string_value": value} for key, value in parameters.items()}}
    return {"model_config": json.dumps(config), "model_repository": str(folder.parent), "model_version": folder.name}


def test_queries_beyond_a_full_batch_only_run_warm_shapes(
    text_encoder: ModuleType, version: Path, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime()
    monkeypatch.setitem(text_encoder.sys.modules["runtime"].GRAPHS, "openvino", runtime.open_file)
    interval = sys.getswitchinterval()
    served = text_encoder.TritonPythonModel()
    try:
        served.initialize(arguments(version))
        packing = text_encoder.sys.modules["packing"]
        every = set(packing.shapes(256, 1024, shares_rows=True))
        warm = [set(ran) for ran in runtime.ran]
        # Besides a graph for each lane and each bulk thread there are those of a single short text.
        assert len(warm) == 2 * THREADS + 2
        assert sum(every <= shapes for shapes in warm) == 2 * THREADS
        counted = [len(ran) for ran in runtime.ran]

        queries = [request_of("word " * (1 + 7 * number % 255)) for number in range(64)]
        assert served.execute(queries) == [None] * 64
        assert all(query.sent.wait(10) for query in queries)
    finally:
        served.finalize()
        sys.setswitchinterval(interval)
    later = [ran[count:] for ran, count in zip(runtime.ran, counted, strict=True)]
    assert any(later)
    assert all(shape in shapes for shapes, ran in zip(warm, later, strict=True) for shape in ran)


def test_the_model_is_not_ready_when_a_graph_of_bulk_work_cannot_be_opened(
    text_encoder: ModuleType, version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime()

    def open_graph(threads: int) -> Any:
        if len(runtime.ran) == THREADS + 2:
            raise MemoryError("no room for another graph")
        return runtime.open_graph(threads)

    monkeypatch.setitem(text_encoder.sys.modules["runtime"].GRAPHS, "openvino", lambda path: open_graph)
    interval = sys.getswitchinterval()
    served = text_encoder.TritonPythonModel()
    with pytest.raises(MemoryError, match="no room for another graph"):
        served.initialize(arguments(version))
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("max_length", [512, 8192])
def test_rows_of_more_than_512_tokens_are_not_run_before_they_are_needed(
    text_encoder: ModuleType, version: Path, monkeypatch: pytest.MonkeyPatch, max_length: int
) -> None:
    runtime = Runtime()
    monkeypatch.setitem(text_encoder.sys.modules["runtime"].GRAPHS, "openvino", runtime.open_file)
    manifest = json.loads((version / "manifest.json").read_text()) | {"max_length": max_length}
    (version / "manifest.json").write_text(json.dumps(manifest))
    encoder = text_encoder.TextEncoder(version, runtime="openvino", threads=1)
    encoder.warm_up()
    packing = text_encoder.sys.modules["packing"]
    warm = set().union(*runtime.ran)
    assert warm == {*packing.shapes(512, 1024, shares_rows=True), (1, 16, 1), (1, 32, 1)}
    for ran in runtime.ran:
        ran.clear()
    encoder.encode(["word " * 8000, "word " * 500] + ["word"] * 64)
    later = set().union(*runtime.ran) - warm
    assert later == ({(1, 8192, 1)} if max_length > 512 else set())


@pytest.mark.parametrize("name", ["tokenizer.json", "model.onnx", "model.onnx.data"])
@pytest.mark.parametrize("damage", ["changed", "longer", "missing"])
def test_a_damaged_file_is_found_before_a_native_parser_reads_it(
    text_encoder: ModuleType, version: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    opened: list[Path] = []
    runtime = text_encoder.sys.modules["runtime"]
    monkeypatch.setitem(runtime.GRAPHS, "onnxruntime", lambda path: opened.append(path) or Runtime().open_file(path))
    monkeypatch.setattr(runtime, "Tokenizer", SimpleNamespace(from_file=opened.append))
    for each in ("model.onnx", "model.onnx.data"):
        (version / each).write_bytes(b"graph of many bytes")
    files = {
        path.name: {"sha256": sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
        for path in version.iterdir()
        if path.name != "manifest.json"
    }
    manifest = json.loads((version / "manifest.json").read_text()) | {"files": files}
    (version / "manifest.json").write_text(json.dumps(manifest))
    content = bytearray((version / name).read_bytes())
    if damage == "changed":
        content[len(content) // 2] ^= 1
    (version / name).write_bytes(content + b"x" * (damage == "longer"))
    if damage == "missing":
        (version / name).unlink()
    with pytest.raises(runtime.DamagedVersion, match=f"{name} is missing or damaged: export this version"):
        text_encoder.TextEncoder(version, runtime="onnxruntime", threads=1)
    assert opened == []


def test_the_binding_of_openvino_is_ready_for_numpy_before_a_graph_is_opened(
    text_encoder: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, str]] = []

    def note(name: str, result: Any = None) -> Any:
        def call(*arguments: Any) -> Any:
            asked.append((name, threading.current_thread().name))
            return result

        return call

    core = SimpleNamespace(read_model=note("read_model", SimpleNamespace(get_ops=list)))
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Tensor=note("Tensor"), Core=note("Core", core)))
    text_encoder.sys.modules["runtime"].openvino_graphs(tmp_path / "model.onnx")
    here = threading.current_thread().name
    assert asked == [("Tensor", here), ("Core", here), ("read_model", here)]
