"""The model as an ONNX graph: a table of weights, looked up and summed.

Inputs `ids` int64 [batch, n] and `values` float32 [batch, n]; padding is id 0 with value 0. Output `scores` float32
[batch, labels], each 0 to 1. The table is stored as int8 with one step per label.
"""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import scipy.sparse
from onnx import TensorProto, helper, numpy_helper

import calibration
import model

OPSET = 17


def write(path: Path, heads: list[model.Linear]) -> str:
    """Writes the graph; the SHA-256 of the file comes back."""
    table, step = quantise(heads)
    constants = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(step, "step"),
        numpy_helper.from_array(np.array([head.bias for head in heads], np.float32), "bias"),
        numpy_helper.from_array(np.array([1], np.int64), "row"),
    ]
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["looked_up"], axis=0),
        helper.make_node("Cast", ["looked_up"], ["weights"], to=TensorProto.FLOAT),
        # As a product of matrices, [batch, 1, n] by [batch, n, labels]: half the time of multiply and sum.
        helper.make_node("Unsqueeze", ["values", "row"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["products"]),
        helper.make_node("Squeeze", ["products", "row"], ["sums"]),
        helper.make_node("Mul", ["sums", "step"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
    ]
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "n"]),
        helper.make_tensor_value_info("values", TensorProto.FLOAT, ["batch", "n"]),
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", len(heads)])]
    graph = helper.make_graph(nodes, "fast-guard", inputs, outputs, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="portcullis train")
    made.ir_version = 8
    onnx.checker.check_model(made)
    path.write_bytes(made.SerializeToString())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def quantise(heads: list[model.Linear]) -> tuple[np.ndarray, np.ndarray]:
    """[buckets, labels] of int8, and the size of one step per label."""
    weights = np.stack([head.weights for head in heads], axis=1)
    step = (np.abs(weights).max(axis=0) / 127).astype(np.float32)
    return np.rint(weights / step).astype(np.int8), step


def check(path: Path, heads: list[model.Linear], rows: scipy.sparse.csr_matrix) -> None:
    """Runs the file on some windows, all in one padded batch, and compares with the model it was made from."""
    import onnxruntime

    longest = int(np.diff(rows.indptr).max())
    ids, values = np.zeros((rows.shape[0], longest), np.int64), np.zeros((rows.shape[0], longest), np.float32)
    for number in range(rows.shape[0]):
        row = slice(rows.indptr[number], rows.indptr[number + 1])
        ids[number, : row.stop - row.start], values[number, : row.stop - row.start] = rows.indices[row], rows.data[row]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"ids": ids, "values": values})
    wanted = np.stack([calibration.sigmoid(head.logits(rows)) for head in heads], axis=1)
    worst = float(np.abs(scores - wanted).max())
    print(f"the file differs from the model by at most {worst:.4f} on {rows.shape[0]} windows")
    if worst > 0.02:
        raise SystemExit("quantising the table changed the scores too much")
