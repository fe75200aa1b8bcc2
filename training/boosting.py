"""Version 2: LightGBM gradient-boosted trees over one float32 tensor; preprocessing is described by the manifest."""

import re
from itertools import product

import lightgbm as lgb
import numpy as np
from onnx import TensorProto
from onnx.helper import make_tensor_type_proto
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.metrics import log_loss

from contract import BY_NAME, NAMES
from data import REPEATS, folds
from encoding import encode
from graph import seal
from paths import OPSET, SEED

TREES = 200
FIXED = {
    "objective": "binary", "max_depth": 4, "num_leaves": 15, "seed": SEED, "verbosity": -1,
    # One thread and a fixed histogram layout give the same trees in every run.
    "num_threads": 1, "deterministic": True, "force_row_wise": True,
}
GRID = {
    "learning_rate": [0.03, 0.05, 0.07, 0.1],
    "min_data_in_leaf": [10, 20, 40],
    "feature_fraction": [0.4, 0.7],
    "lambda_l2": [5.0, 20.0],
}


def _columns(name: str) -> list[dict]:
    if BY_NAME[name]["kind"] == "CATEGORY":
        return [{"feature": name, "equals": level} for level in BY_NAME[name]["categories"]]
    return [{"feature": name}]


COLUMNS = [column for name in NAMES for column in _columns(name)]
INPUTS = [{"name": "features", "type": "float32", "columns": COLUMNS}]
OUTPUT = {"name": "probabilities", "column": 1}
COLUMN_NAMES = [f"{c['feature']}_{c['equals']}" if "equals" in c else c["feature"] for c in COLUMNS]


def matrix(applicants: list[dict]) -> np.ndarray:
    """Float64 matrix in column order. A missing number is NaN; a missing category is zero in all its one-hot columns."""
    return encode(INPUTS, applicants, float64=True)["features"]


def _fit(parameters: dict, X: np.ndarray, y: np.ndarray) -> lgb.Booster:
    data = lgb.Dataset(X, label=y, feature_name=COLUMN_NAMES, params={"verbosity": -1})
    return lgb.train({**FIXED, **parameters}, data, num_boost_round=TREES)


def out_of_fold(parameters: dict, X: np.ndarray, y: np.ndarray, repeat: int = 0) -> np.ndarray:
    """For each training row, the probability from a model that has not seen that row."""
    probabilities = np.empty(len(y))
    for fit, check in folds(y, repeat):
        probabilities[check] = _fit(parameters, X[fit], y[fit]).predict(X[check], num_threads=1)
    return probabilities


def choose(applicants: list[dict], defaulted: np.ndarray) -> dict:
    """The parameters of GRID with the lowest log loss in repeated cross-validation on the training part."""
    X, y = matrix(applicants), defaulted.astype(int)

    def loss(parameters: dict) -> float:
        return float(np.mean([log_loss(y, out_of_fold(parameters, X, y, repeat)) for repeat in range(REPEATS)]))

    return min((dict(zip(GRID, values)) for values in product(*GRID.values())), key=loss)


def train(parameters: dict, applicants: list[dict], defaulted: np.ndarray) -> lgb.Booster:
    return _fit(parameters, matrix(applicants), defaulted.astype(int))


def predict(booster: lgb.Booster, applicants: list[dict]) -> np.ndarray:
    """Probability of default by LightGBM in float64."""
    return booster.predict(matrix(applicants), num_threads=1)


def float32_not_above(threshold: float) -> np.float32:
    """The largest float32 <= threshold.

    LightGBM compares `x <= threshold` in float64. For a float32 x, `x <= this value` has the same result.
    Rounding to nearest could round up to or past an x that LightGBM sends right.
    """
    rounded = np.float32(threshold)
    return np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > threshold else rounded


def with_float32_thresholds(booster: lgb.Booster) -> lgb.Booster:
    """The same trees with every threshold rounded down to a float32."""

    def rounded(line: re.Match) -> str:
        values = [repr(float(float32_not_above(float(text)))) for text in line[1].split()]
        return "threshold=" + " ".join(values)

    text = re.sub(r"^threshold=(.*)$", rounded, booster.model_to_string(), flags=re.MULTILINE)
    # The sizes of the tree blocks are no longer correct; without them LightGBM reads block by block.
    return lgb.Booster(model_str=re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE))


def convert(booster: lgb.Booster):
    model = convert_lightgbm(
        with_float32_thresholds(booster),
        name="consumer-credit-2",
        initial_types=[("features", FloatTensorType([None, len(COLUMNS)]))],
        target_opset=OPSET[""],
        zipmap=False,
    )
    # The converter declares one label for any number of rows, and ONNX Runtime would warn about every batch.
    label = next(output for output in model.graph.output if output.name == "label")
    label.type.CopyFrom(make_tensor_type_proto(TensorProto.INT64, [None]))
    return seal(model)


def splits(booster: lgb.Booster) -> list[dict]:
    """Every inner node, in a fixed order for each tree: tree, column, float64 threshold, and whether NaN goes left."""
    found = []

    def walk(tree: int, node: dict):
        if "split_feature" not in node:
            return
        threshold = float(node["threshold"])
        # A column without NaN in training has missing type None, and LightGBM then reads NaN as 0.
        nan_left = node["default_left"] if node["missing_type"] == "NaN" else 0.0 <= threshold
        found.append({"tree": tree, "column": node["split_feature"], "threshold": threshold, "nan_left": bool(nan_left)})
        walk(tree, node["left_child"])
        walk(tree, node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        walk(tree["tree_index"], tree["tree_structure"])
    return found


def gain_shares(booster: lgb.Booster) -> list[tuple[str, float]]:
    """(feature, share of the total gain), one-hot columns summed, largest first."""
    totals = dict.fromkeys(NAMES, 0.0)
    for column, gain in zip(COLUMNS, booster.feature_importance("gain")):
        totals[column["feature"]] += gain
    whole = sum(totals.values())
    return sorted(((name, gain / whole) for name, gain in totals.items()), key=lambda pair: -pair[1])
