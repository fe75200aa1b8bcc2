"""Raises an error unless the exported graphs answer like the models' own libraries."""

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime

import boosting
from encoding import encode


class ExportError(Exception):
    """The exported graph differs from the model that was trained."""


def without_zipmap(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its ZipMap node replaced by Identity and a plain tensor as output, like the gateway rewrites it."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes = [node for node in copy.graph.node if node.op_type == "ZipMap"]
    for node in nodes:
        node.op_type, node.domain = "Identity", ""
        del node.attribute[:]
        output = next(output for output in copy.graph.output if output.name == node.output[0])
        output.type.CopyFrom(onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, [None, 2]))
    onnx.checker.check_model(copy, full_check=True)
    return copy


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _probabilities(session, inputs: list[dict], output: dict, applicants: list[dict]) -> np.ndarray:
    answer = session.run([output["name"]], encode(inputs, applicants))[0]
    if isinstance(answer, list):  # ZipMap: a dict {label: probability} per row, labels 0 and 1
        return np.array([row[output["column"]] for row in answer])
    return answer[:, output["column"]]


def deviation(model, inputs, output, applicants, native: np.ndarray, tolerance: float, what: str) -> float:
    """The largest |ONNX - native|, in one batch and, for some rows, row by row. Raises an error above the tolerance."""
    session = _session(model)
    batch = np.abs(_probabilities(session, inputs, output, applicants) - native)
    singles = [
        abs(_probabilities(session, inputs, output, [applicant])[0] - expected)
        for applicant, expected in list(zip(applicants, native))[:300]
    ]
    worst = float(max(batch.max(), max(singles)))
    if not worst <= tolerance:  # also catches NaN
        raise ExportError(f"{what}: ONNX differs from the model's library by {worst:.3g} > {tolerance:g}")
    print(f"  {what}: {len(applicants)} rows, largest deviation {worst:.2e}")
    return worst


def same_splits(model: onnx.ModelProto, booster: lgb.Booster):
    """Checks every node of the graph: its column, the branch for NaN, and that its threshold is the largest float32 not above LightGBM's."""
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier")
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    modes = [mode.decode() for mode in attributes["nodes_modes"]]
    if set(modes) != {"BRANCH_LEQ", "LEAF"}:
        raise ExportError(f"unexpected node modes {set(modes)}")
    by_id = {
        (tree, node_id): i for i, (tree, node_id) in enumerate(zip(attributes["nodes_treeids"], attributes["nodes_nodeids"]))
    }

    exported = []

    def walk(tree: int, node_id: int):
        i = by_id[tree, node_id]
        if modes[i] == "LEAF":
            return
        exported.append((
            tree, attributes["nodes_featureids"][i], np.float32(attributes["nodes_values"][i]),
            bool(attributes["nodes_missing_value_tracks_true"][i]),
        ))
        walk(tree, attributes["nodes_truenodeids"][i])
        walk(tree, attributes["nodes_falsenodeids"][i])

    for tree in sorted(set(attributes["nodes_treeids"])):
        walk(tree, 0)

    trained = boosting.splits(booster)
    if len(trained) != len(exported):
        raise ExportError(f"{len(exported)} splits exported, {len(trained)} trained")
    for split, (tree, column, value, nan_left) in zip(trained, exported):
        next_value = float(np.nextafter(value, np.float32(np.inf)))
        right = (
            (tree, column) == (split["tree"], split["column"])
            and float(value) <= split["threshold"] < next_value
            and nan_left == split["nan_left"]
        )
        if not right:
            raise ExportError(f"split {split} was exported as {(tree, column, value, nan_left)}")
    nearest_is_above = sum(float(np.float32(split["threshold"])) > split["threshold"] for split in trained)
    print(f"  {len(trained)} splits agree; rounding to nearest would have raised {nearest_is_above} of them")
