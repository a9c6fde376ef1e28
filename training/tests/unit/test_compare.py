"""Check the table of a comparison, and how libraries quantise."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.arrays import Floats
from training.compression import compare, libraries
from training.compression.compress import Quantizer
from training.evaluation.report import Difference, EvaluationReport, Score, Set

WIDTH = 16
WEIGHTS = ("outer", "inner")


def graph() -> onnx.ModelProto:
    """Return a graph: token ids → rows of a table → linear layer with bias → Relu → linear layer → output."""
    rng = np.random.default_rng(0)
    constants = {
        "table": rng.normal(size=(50, WIDTH)),
        "outer": rng.normal(size=(WIDTH, WIDTH)),
        "bias": rng.normal(size=WIDTH),
        "inner": rng.normal(size=(WIDTH, 8)),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"], name="gather"),
        helper.make_node("MatMul", ["rows", "outer"], ["a"], name="first"),
        helper.make_node("Add", ["a", "bias"], ["b"], name="add"),
        helper.make_node("Relu", ["b"], ["c"], name="relu"),
        helper.make_node("MatMul", ["c", "inner"], ["out"], name="second"),
    ]
    return helper.make_model(
        helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "s"])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["b", "s", 8])],
            [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )


def feeds() -> Iterator[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return iter([{"input_ids": rng.integers(0, 50, (1, length))} for length in (3, 9, 20, 40) * 5])


def run(model: onnx.ModelProto) -> Floats:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    output: Floats = session.run(None, {"input_ids": np.arange(50)[None]})[0]
    return output


@pytest.mark.parametrize(
    "quantizer",
    [
        libraries.OnnxRuntimeStatic(),
        libraries.OnnxRuntimeStatic("Percentile", percentile=100),
        libraries.OnnxRuntimeDynamic(),
    ],
    ids=["static", "percentile", "dynamic"],
)
def test_a_library_quantises_both_layers_to_seven_bits(quantizer: Quantizer) -> None:
    given = graph()
    before = given.SerializeToString()
    made = quantizer.quantize(given, feeds(), lambda line: None)
    assert given.SerializeToString() == before
    weights = [each for each in made.graph.initializer if each.data_type == TensorProto.INT8 and len(each.dims) == 2]
    assert {name.split("_")[0] for name in (each.name for each in weights)} == set(WEIGHTS)
    assert max(np.abs(numpy_helper.to_array(each).astype(int)).max() for each in weights) <= 64
    true, found = run(graph()), run(made)
    error = np.square(true - found).sum() / np.square(true).sum()
    assert 1e-7 < error < 1e-2
    assert quantizer.as_json()["method"].startswith("quantize_")


def test_calibration_texts_can_be_read_in_parts_and_again() -> None:
    reader = libraries.TextReader(feeds())
    assert len(reader) == 20
    reader.set_range(2, 4)
    lengths = [each["input_ids"].shape[1] for each in iter(reader.get_next, None)]
    assert lengths == [20, 40]
    reader.rewind()
    assert sum(1 for _ in iter(reader.get_next, None)) == 20
    assert [len(list(reader)) for _ in range(2)] == [20, 20]


def test_texts_are_padded_to_the_longest() -> None:
    made = libraries.padded(feeds())
    assert {each["input_ids"].shape for each in made} == {(1, 40)}
    np.testing.assert_array_equal(made[0]["input_ids"][0, :3], next(feeds())["input_ids"][0])
    assert not made[0]["input_ids"][0, 3:].any()


def test_signed_activations_become_unsigned_with_the_same_values() -> None:
    model = graph()
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.float32(0.05), "scale"),
            numpy_helper.from_array(np.int8(-11), "zero"),
            numpy_helper.from_array(np.array([[3], [-7]], np.int8), "steps"),
        ]
    )
    pair = [
        helper.make_node("QuantizeLinear", ["rows", "scale", "zero"], ["levels"]),
        helper.make_node("DequantizeLinear", ["levels", "scale", "zero"], ["back"]),
    ]
    for place, node in enumerate(pair, 1):
        model.graph.node.insert(place, node)
    next(node for node in model.graph.node if node.name == "first").input[0] = "back"
    changed = libraries.unsigned(model)
    constants = {each.name: numpy_helper.to_array(each) for each in changed.graph.initializer}
    assert (constants["zero"].dtype, int(constants["zero"])) == (np.uint8, 117)
    assert constants["steps"].dtype == np.int8
    np.testing.assert_array_equal(run(changed), run(model))


def cost(*runtimes: str) -> compare.Cost:
    times = dict.fromkeys(runtimes, 1.5)
    parity = {"mean_cosine": 0.998, "min_cosine": 0.99, "alone_vs_batched": 1.0}
    return compare.Cost(20.0, 3.0, times, times, parity)


def report() -> EvaluationReport:
    names = [f"{name} {mode}" for name in ("FP32", "mine") for mode in ("dense", "hybrid")]
    return EvaluationReport(
        baseline="FP32 hybrid",
        systems={name: {} for name in names},
        sets={
            "title": Set(kind="retrieval", queries=9, passages=9, digest=""),
            "title: short": Set(kind="slice", queries=4, passages=9, digest=""),
        },
        scores=[Score(set="title", system=name, metric="nDCG@10", mean=0.5, low=0.4, high=0.6) for name in names],
        differences=[
            Difference(
                set="title", system=f"mine {mode}", against=f"FP32 {mode}", metric="nDCG@10",
                difference=-0.01, low=-0.02, high=high, p=0.1,
            )
            for mode, high in (("dense", -0.001), ("hybrid", 0.001))
        ],
        settings={}, created="", machine={},
    )  # fmt: skip


def test_a_table_has_a_line_for_each_variant_and_marks_what_is_beyond_chance() -> None:
    made = compare.table(report(), {"FP32": cost("onnxruntime", "openvino"), "mine": cost("openvino")})
    head, _, first, second = (line.strip("| ").split(" | ") for line in made.splitlines())
    assert head[6:] == [
        "ms a passage, onnxruntime", "ms a passage, openvino", "ms a query, onnxruntime", "ms a query, openvino",
        "title nDCG@10, dense", "title nDCG@10, hybrid",
    ]  # fmt: skip
    assert first[-2:] == ["0.5000", "0.5000"]
    assert second[:6] == ["mine", "20.0", "3", "0.9980", "0.9900", "1.0000"]
    assert second[6:10] == ["–", "1.50", "–", "1.50"]
    assert second[-2:] == ["0.5000 (**-0.0100** [-0.0200, -0.0010])", "0.5000 (-0.0100 [-0.0200, +0.0010])"]


def test_a_variant_without_its_library_is_left_out_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def stop(variant: compare.Variant, *rest: object) -> None:
        seen.append(variant.name)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(compare, "load_collections", lambda folders: [None])
    monkeypatch.setattr(compare, "_version", stop)
    monkeypatch.setattr(compare.importlib.util, "find_spec", lambda name: None)
    variants = [compare.BASELINE, compare.Variant("theirs", compare.BASELINE.how, "nncf"), compare.BASELINE]
    with pytest.raises(KeyboardInterrupt):
        compare.compare(variants, None, calibration_papers=tmp_path, sets=[tmp_path], output=tmp_path)
    assert seen == ["FP32", "FP32"]
    assert "theirs is left out, because nncf is not installed" in (said := capsys.readouterr().err)
    assert "uv pip install nncf==" in said


@pytest.mark.parametrize("what", sorted(compare.VARIANTS))
def test_each_comparison_begins_with_fp32_and_has_our_int8(what: str) -> None:
    names = [each.name for each in compare.VARIANTS[what]]
    assert names[:2] == [compare.FP32, compare.SHIPPED]
    assert len(set(names)) == len(names)
    assert {each.needs for each in compare.VARIANTS[what]} <= {"", *libraries.NEEDS}


def test_an_unknown_variant_is_refused_before_any_work(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["pruning", "--calibration", "none", "--output", str(tmp_path), "--only", "INT9"]
    assert compare.main(arguments) == 1
    assert "there is no variant 'INT9' to compare; there are: FP32; INT8" in capsys.readouterr().err
