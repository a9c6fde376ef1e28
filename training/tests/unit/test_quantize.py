import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.arrays import Floats
from training.compression import quantize, tables
from training.compression.linear_layers import find_groups
from training.errors import QuantizationError

WIDTH = 16


def graph(linear: bool = True) -> onnx.ModelProto:
    """Return a graph: token ids → rows of a table → two parallel linear layers, one with a bias → their sum."""
    rng = np.random.default_rng(0)
    constants = {
        "table": rng.normal(size=(50, WIDTH)) * np.logspace(-1, 1, WIDTH),
        "left": rng.normal(size=(WIDTH, 8)),
        "right": rng.normal(size=(WIDTH, 8)),
        "bias": rng.normal(size=8),
    }
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"])]
    if linear:
        nodes += [
            helper.make_node("MatMul", ["rows", "left"], ["a"]),
            helper.make_node("Add", ["bias", "a"], ["a_bias"]),
            helper.make_node("MatMul", ["rows", "right"], ["b"]),
            helper.make_node("Add", ["a_bias", "b"], ["out"]),
        ]
    else:
        nodes.append(helper.make_node("Relu", ["rows"], ["out"]))
    return helper.make_model(
        helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "s"])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["b", "s", 8 if linear else WIDTH])],
            [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )


def feeds() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [{"input_ids": rng.integers(0, 50, (1, length))} for length in (3, 9, 20, 40, 50) * 10]


def run(model: onnx.ModelProto, optimised: bool = True) -> Floats:
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    output: Floats = session.run(None, {"input_ids": np.arange(50)[None]})[0]
    return output


@pytest.fixture(scope="module")
def quantized() -> onnx.ModelProto:
    return quantize.quantize(graph(), feeds())


def initializer(model: onnx.ModelProto, name: str) -> np.ndarray:
    return numpy_helper.to_array(next(tensor for tensor in model.graph.initializer if tensor.name == name))


def test_layers_that_read_the_same_are_one_group() -> None:
    (group,) = find_groups(graph().graph)
    assert group.source == "rows"
    assert [layer.weight for layer in group.layers] == ["left", "right"]


def test_the_quantised_graph_has_nearly_the_same_output(quantized: onnx.ModelProto) -> None:
    true, found = run(graph()), run(quantized)
    assert np.square(true - found).sum() / np.square(true).sum() < 1e-3


def test_activations_are_uint8_and_weights_int8_in_seven_bits(quantized: onnx.ModelProto) -> None:
    (activation,) = [node for node in quantized.graph.node if node.op_type == "QuantizeLinear"]
    scale, zero = (initializer(quantized, name) for name in activation.input[1:])
    assert (zero.dtype, zero.shape, scale.shape) == (np.uint8, (), ())
    for number in (0, 1):
        steps = initializer(quantized, f"int8_0_weight_{number}_steps")
        assert steps.dtype == np.int8
        assert np.abs(steps).max() <= 64
    left = {tensor.name for tensor in quantized.graph.initializer}
    assert not left & {"left", "right"}


def test_integer_kernels_give_the_output_of_the_unoptimised_graph(quantized: onnx.ModelProto) -> None:
    # The optimised graph multiplies integers; a saturating product would give another output.
    np.testing.assert_allclose(run(quantized), run(quantized, optimised=False), rtol=1e-4, atol=1e-3)


def test_only_operators_of_the_standard(quantized: onnx.ModelProto) -> None:
    assert {node.domain for node in quantized.graph.node} == {""}
    assert {entry.domain for entry in quantized.opset_import} == {""}


def test_the_original_is_not_changed(quantized: onnx.ModelProto) -> None:
    original = graph()
    before = original.SerializeToString()
    quantize.quantize(original, feeds())
    assert original.SerializeToString() == before


def test_quantising_twice_gives_the_same_bytes(quantized: onnx.ModelProto) -> None:
    again = quantize.quantize(graph(), feeds())
    assert again.SerializeToString(deterministic=True) == quantized.SerializeToString(deterministic=True)


def test_a_graph_without_linear_layers_is_refused() -> None:
    with pytest.raises(QuantizationError, match="no linear layer"):
        quantize.quantize(graph(linear=False), feeds())


def test_nan_is_refused() -> None:
    broken = graph()
    table = next(tensor for tensor in broken.graph.initializer if tensor.name == "table")
    table.CopyFrom(numpy_helper.from_array(np.full((50, WIDTH), np.nan, dtype=np.float32), "table"))
    with pytest.raises(QuantizationError, match="not finite numbers"):
        quantize.quantize(broken, feeds())


def lookup(rows: int, axis: int = 0) -> onnx.ModelProto:
    """Return a graph that looks up rows of a table with lengths of every size, and one row of zeros."""
    rng = np.random.default_rng(2)
    table = (rng.normal(size=(rows, WIDTH)) * np.logspace(-3, 3, rows)[:, None]).astype(np.float32)
    table[7] = 0
    return helper.make_model(
        helper.make_graph(
            [helper.make_node("Gather", ["table", "input_ids"], ["out"], axis=axis)],
            "lookup",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "s"])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["a", "b", "c"])],
            [numpy_helper.from_array(table, "table")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )


def test_a_large_table_is_stored_in_int8_and_each_row_keeps_its_direction() -> None:
    model = lookup(tables.LEAST_ROWS)
    true = run(model)
    assert tables.quantize_tables(model) == 1
    assert model.ByteSize() < tables.LEAST_ROWS * (WIDTH + 8)
    onnx.checker.check_model(model)
    found = run(model)
    assert found.shape == true.shape
    errors = np.abs(found - true).max(axis=-1) / np.maximum(np.abs(true).max(axis=-1), 1e-30)
    assert errors.max() < 1 / 200
    assert not found[0, 7].any()


@pytest.mark.parametrize("model", [lookup(100), lookup(tables.LEAST_ROWS, axis=1)], ids=["small", "columns"])
def test_small_tables_and_those_read_by_columns_stay_as_they_are(model: onnx.ModelProto) -> None:
    before = model.SerializeToString()
    assert tables.quantize_tables(model) == 0
    assert model.SerializeToString() == before
