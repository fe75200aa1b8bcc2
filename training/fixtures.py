"""Writes the small ONNX files of the gateway's tests. Each has one shape or fault that occurs in real model files.

The formulas are in the README.md next to the files, which this program also writes.
"""

import json

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

from graph import seal
from paths import FIXTURES, OPSET, SEED

WEIGHTS, BIAS = [0.5, -0.25], 0.125  # exact in float32
GRADES = {"A": 0.0, "B": 0.5, "C": 1.0}
OTHER_GRADE = 2.0
SAMPLE_ROWS = [[0, 0], [1, 0], [0, 1], [3, -2], [-4, 5]]

README = f"""# ONNX fixtures

Written by `training/fixtures.py`; do not edit by hand. `N` is the number of rows, `sigmoid(z) = 1 / (1 + exp(-z))`,
`p(x) = sigmoid({WEIGHTS[0]} * x[0] - {-WEIGHTS[1]} * x[1] + {BIAS})` for a row `x` of two features. All use IR version 8, opset 15, ai.onnx.ml 3.

| file | inputs | outputs | rule |
|---|---|---|---|
| `zipmap-int.onnx` | `features` float32 [N,2] | `label` int64 [N], `probabilities` sequence of map(int64, float) | scikit-learn LogisticRegression, classes 0 and 1; the probability of default is key 1, column 1 once ZipMap is removed. Expected rows in `expected.json` |
| `zipmap-string.onnx` | `features` float32 [N,2] | `label` string [N], `probabilities` sequence of map(string, float) | the same with classes "bad" and "good"; scikit-learn sorts them, so the probability of default is key "bad", **column 0**. Expected rows in `expected.json` |
| `nan.onnx` | `features` float32 [N,2] | `probabilities` float32 [N,2] | every value is NaN |
| `out-of-range.onnx` | `features` float32 [N,2] | `probabilities` float32 [N,2] | every value is 2.5 |
| `one-column.onnx` | `features` float32 [N,2] | `probability` float32 [N,1] | `p(x)` |
| `flat.onnx` | `features` float32 [N,2] | `probabilities` float32 [N] | `p(x)` |
| `double.onnx` | `features` float64 [N,2] | `probabilities` float64 [N,2] | `[1 - p(x), p(x)]` in float64 |
| `mixed.onnx` | `amount` float32 [N,1], `count` int64 [N,1], `grade` string [N,1] | `probabilities` float32 [N,2] | `[1 - q, q]`, `q = sigmoid(0.25 * amount - 0.5 * count + g)`, g = 0 for grade "A", 0.5 for "B", 1 for "C", 2 for anything else |
| `wrong-rows.onnx` | `features` float32 [N,2] | `probabilities` float32, declared [N,2], always [1,2] | `[1 - p(x), p(x)]` of the first row only, whatever N |
| `whole.onnx` | `open` bool [N,1], `count` int32 [N,1] | `probability` float32 [N,1] | `sigmoid(0.5 * count - 0.25 * open + 0.125)`, with open as 1 or 0 |
| `fixed-one.onnx` | `features` float32 [1,2] | `probability` float32 [1,1] | `p(x)`; exported for exactly one row |
| `fixed-eight.onnx` | `features` float32 [8,2] | `probability` float32 [8,1] | `p(x)`; exported for exactly eight rows |
| `half.onnx` | `features` float32 [N,2] | `probability` float16 [N,1] | `p(x)` in half precision |
| `half-input.onnx` | `features` float16 [N,2] | `probability` float32 [N,1] | `p(x)` of a row in half precision |
| `flat-inputs.onnx` | `amount` float32 [N], `count` float32 [N] | `probability` float32 [N,1,1] | `p(x)`, a column for each input |
| `columns.onnx` | `features` float32 [N,2] | `no` float32 [N], `yes` float32 [N] | `1 - p(x)` and `p(x)`: an output for each class |
| `new-format.onnx` | `features` float32 [N,2] | `probability` float32 [N,1] | `p(x)`; marked as IR version 14 |
| `new-opset.onnx` | `features` float32 [N,2] | `probability` float32 [N,1] | `p(x)`; marked as IR version 14, opset 28 |
| `external.onnx` | `features` float32 [N,2] | `probability` float32 [N,1] | `p(x)`; its weights are in `external.onnx.data` |
| `rank-one.onnx` | `features` float32 [2] | `probability` float32 [1] | `p(x)` of a single row without a dimension of rows |
| `neighbours.onnx` | `features` float32 [N,2] | `probability` float32 [N,1] | `p(x - m)`, where m is the mean of all rows of the run |

Those in `hostile/` must not serve. Each takes `features` float32 [N,2] and gives `probability` float32 [N,1]:

| file | what it does |
|---|---|
| `endless-loop.onnx` | `p(x)` after 2^62 rounds of a Loop |
| `large-allocation.onnx` | `p(x)` beside a tensor of 1 GiB |
| `huge-shape.onnx` | `p(x)` beside a tensor of 2^62 numbers |
| `own-operator.onnx` | `p(x)` by an operator of the domain `com.bank` |
| `random.onnx` | `p(x)` and a random number of at most 1e-7 |
| `logits.onnx` | the log-odds of `p(x)` |
| `constant.onnx` | 0.5 for each row |
| `some-nan.onnx` | `p(x)`; NaN where x[1] is above 50 |
| `escapes-above.onnx`, `escapes-root.onnx` | `p(x)`; its weights are in `../weights.bin`, or in `/etc/hostname` |
| `escapes-hidden.onnx` | the same, in a tensor of an attribute in the body of an If |
"""


def _tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.array(values, dtype=dtype), name)


def _save(name, nodes, outputs, constants=(), inputs=None):
    """Checks and writes one model; `inputs` and `outputs` are {name: (element type, shape)}."""
    inputs = inputs or {"features": (TensorProto.FLOAT, ["N", 2])}
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info(key, *kind) for key, kind in inputs.items()],
        [helper.make_tensor_value_info(key, *kind) for key, kind in outputs.items()],
        list(constants),
    )
    model = seal(helper.make_model(graph, producer_name="riskgate-fixtures"))
    (FIXTURES / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def _score(dtype=np.float32, source="features"):
    """Nodes and constants that compute p(x) as `default`, [N,1]."""
    nodes = [
        helper.make_node("MatMul", [source, "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["default"]),
    ]
    return nodes, [_tensor("weights", [[w] for w in WEIGHTS], dtype), _tensor("bias", [BIAS], dtype)]


def _two_columns(dtype=np.float32):
    """Nodes and constants that turn `default` into `probabilities` = [1 - default, default]."""
    nodes = [
        helper.make_node("Sub", ["one", "default"], ["no_default"]),
        helper.make_node("Concat", ["no_default", "default"], ["probabilities"], axis=1),
    ]
    return nodes, [_tensor("one", [1], dtype)]


def _constant(name, value):
    """Writes a model that answers `value` everywhere, with the shape of its input."""
    nodes = [
        helper.make_node("Shape", ["features"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["probabilities"], value=_tensor("value", [value])),
    ]
    _save(name, nodes, {"probabilities": (TensorProto.FLOAT, ["N", 2])})


def _shapes():
    nodes, constants = _score()
    nodes[-1].output[0] = "probability"
    _save("one-column", nodes, {"probability": (TensorProto.FLOAT, ["N", 1])}, constants)

    nodes, constants = _score()
    nodes.append(helper.make_node("Reshape", ["default", "flat_shape"], ["probabilities"]))
    constants.append(_tensor("flat_shape", [-1], np.int64))
    _save("flat", nodes, {"probabilities": (TensorProto.FLOAT, ["N"])}, constants)

    first_row = helper.make_node("Gather", ["features", "zero"], ["first"], axis=0)
    (score, weights), (columns, one) = _score(source="first"), _two_columns()
    _save(
        "wrong-rows", [first_row, *score, *columns], {"probabilities": (TensorProto.FLOAT, ["N", 2])},
        [_tensor("zero", [0], np.int64), *weights, *one],
    )


def _types():
    (score, weights), (columns, one) = _score(np.float64), _two_columns(np.float64)
    double = (TensorProto.DOUBLE, ["N", 2])
    _save("double", [*score, *columns], {"probabilities": double}, [*weights, *one], {"features": double})

    columns, one = _two_columns()
    nodes = [
        helper.make_node("Mul", ["amount", "amount_weight"], ["of_amount"]),
        helper.make_node("Cast", ["count"], ["count_number"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["count_number", "count_weight"], ["of_count"]),
        helper.make_node(
            "LabelEncoder", ["grade"], ["of_grade"], domain="ai.onnx.ml",
            keys_strings=list(GRADES), values_floats=list(GRADES.values()), default_float=OTHER_GRADE,
        ),
        helper.make_node("Sum", ["of_amount", "of_count", "of_grade"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["default"]),
        *columns,
    ]
    constants = [_tensor("amount_weight", [0.25]), _tensor("count_weight", [-0.5]), *one]
    inputs = {"amount": (TensorProto.FLOAT, ["N", 1]), "count": (TensorProto.INT64, ["N", 1]), "grade": (TensorProto.STRING, ["N", 1])}
    _save("mixed", nodes, {"probabilities": (TensorProto.FLOAT, ["N", 2])}, constants, inputs)


def _lone_forms():
    """Graphs whose rows do not stand alone, or cannot be given in any number."""
    for name, rows in {"fixed-one": 1, "fixed-eight": 8}.items():
        nodes, constants = _score()
        nodes[-1].output[0] = "probability"
        _save(name, nodes, {"probability": (TensorProto.FLOAT, [rows, 1])}, constants, {"features": (TensorProto.FLOAT, [rows, 2])})

    nodes, constants = _score()
    nodes.append(helper.make_node("Cast", ["default"], ["probability"], to=TensorProto.FLOAT16))
    _save("half", nodes, {"probability": (TensorProto.FLOAT16, ["N", 1])}, constants)

    nodes, constants = _score(source="wide")
    nodes.insert(0, helper.make_node("Cast", ["features"], ["wide"], to=TensorProto.FLOAT))
    nodes[-1].output[0] = "probability"
    _save("half-input", nodes, {"probability": (TensorProto.FLOAT, ["N", 1])}, constants, {"features": (TensorProto.FLOAT16, ["N", 2])})

    nodes, constants = _score()
    nodes[-1].output[0] = "probability"
    _save("rank-one", nodes, {"probability": (TensorProto.FLOAT, [1])}, constants, {"features": (TensorProto.FLOAT, [2])})

    nodes, constants = _score(source="centred")
    mean = helper.make_node("ReduceMean", ["features"], ["mean"], axes=[0], keepdims=1)
    nodes[-1].output[0] = "probability"
    _save(
        "neighbours", [mean, helper.make_node("Sub", ["features", "mean"], ["centred"]), *nodes],
        {"probability": (TensorProto.FLOAT, ["N", 1])}, constants,
    )


def _flat_forms():
    nodes = [
        helper.make_node("Unsqueeze", ["amount", "one_axis"], ["amount_column"]),
        helper.make_node("Unsqueeze", ["count", "one_axis"], ["count_column"]),
        helper.make_node("Concat", ["amount_column", "count_column"], ["both"], axis=1),
    ]
    score, constants = _score(source="both")
    score.append(helper.make_node("Unsqueeze", ["default", "two_axis"], ["probability"]))
    constants += [_tensor("one_axis", [1], np.int64), _tensor("two_axis", [2], np.int64)]
    inputs = {"amount": (TensorProto.FLOAT, ["N"]), "count": (TensorProto.FLOAT, ["N"])}
    _save("flat-inputs", [*nodes, *score], {"probability": (TensorProto.FLOAT, ["N", 1, 1])}, constants, inputs)

    nodes, constants = _score()
    nodes += [
        helper.make_node("Reshape", ["default", "flat_shape"], ["yes"]),
        helper.make_node("Sub", ["one", "yes"], ["no"]),
    ]
    constants += [_tensor("flat_shape", [-1], np.int64), _tensor("one", [1])]
    _save("columns", nodes, {"no": (TensorProto.FLOAT, ["N"]), "yes": (TensorProto.FLOAT, ["N"])}, constants)


def _new_formats():
    """Marks and moves of a finished file: newer versions than the runtime reads, and tensors in a file beside it."""
    for name, opset in {"new-format": OPSET[""], "new-opset": 28}.items():
        model = onnx.load(FIXTURES / "one-column.onnx")
        model.ir_version = 14
        next(each for each in model.opset_import if each.domain == "").version = opset
        (FIXTURES / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    model = onnx.load(FIXTURES / "one-column.onnx")
    (FIXTURES / "external.onnx.data").unlink(missing_ok=True)
    onnx.save_model(
        model, FIXTURES / "external.onnx", save_as_external_data=True, all_tensors_to_one_file=True,
        location="external.onnx.data", size_threshold=0,
    )


def _whole():
    nodes = [
        helper.make_node("Cast", ["open"], ["open_number"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["count"], ["count_number"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["count_number", "open_number"], ["both"], axis=1),
    ]
    score, constants = _score(source="both")
    score[-1].output[0] = "probability"
    inputs = {"open": (TensorProto.BOOL, ["N", 1]), "count": (TensorProto.INT32, ["N", 1])}
    _save("whole", [*nodes, *score], {"probability": (TensorProto.FLOAT, ["N", 1])}, constants, inputs)


def _rename(model, names: dict):
    for node in model.graph.node:
        node.output[:] = [names.get(output, output) for output in node.output]
        node.input[:] = [names.get(value, value) for value in node.input]
    for output in model.graph.output:
        output.name = names.get(output.name, output.name)


def _zipmap(name, labels: dict) -> dict:
    """A scikit-learn model with its ZipMap kept; returns expected rows. `labels` maps defaulted -> class label."""
    X = np.random.default_rng(SEED).integers(-5, 6, size=(200, 2))
    defaulted = X @ [2, -1] + 1 > 0
    # The strong penalty keeps the probabilities away from 0 and 1.
    classifier = LogisticRegression(C=0.001, tol=1e-8).fit(X, [labels[bool(d)] for d in defaulted])
    model = convert_sklearn(classifier, name=name, initial_types=[("features", FloatTensorType([None, 2]))], target_opset=OPSET)
    _rename(model, {"label": "inner_label", "probabilities": "inner_probabilities", "output_label": "label", "output_probability": "probabilities"})
    content = seal(model).SerializeToString(deterministic=True)

    native = classifier.predict_proba(np.array(SAMPLE_ROWS, dtype=np.float64))
    answers = onnxruntime.InferenceSession(content).run(["probabilities"], {"features": np.array(SAMPLE_ROWS, dtype=np.float32)})[0]
    for expected, answer in zip(native, answers):
        for label, probability in zip(classifier.classes_, expected):
            assert abs(answer[label] - probability) < 1e-6, (name, label)
    (FIXTURES / f"{name}.onnx").write_bytes(content)
    classes = classifier.classes_.tolist()
    column = classes.index(labels[True])
    return {
        "classes": classes,
        "column": column,
        "rows": [{"features": row, "probability": float(p[column])} for row, p in zip(SAMPLE_ROWS, native)],
    }


def _check():
    """Runs every hand-made file against its formula in README.md."""
    X = np.array(SAMPLE_ROWS, dtype=np.float32)
    p = 1 / (1 + np.exp(-(X.astype(np.float64) @ WEIGHTS + BIAS)))
    both = np.column_stack([1 - p, p])
    expected = {
        "nan": np.full((5, 2), np.nan), "out-of-range": np.full((5, 2), 2.5), "one-column": p.reshape(-1, 1),
        "flat": p, "double": both, "wrong-rows": both[:1],
    }

    def run(name, inputs):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # wrong-rows warns about its wrong shape, which is intended
        return onnxruntime.InferenceSession(FIXTURES / f"{name}.onnx", options).run(None, inputs)[0]

    for name, values in expected.items():
        answer = run(name, {"features": X.astype(np.float64) if name == "double" else X})
        assert answer.shape == values.shape, (name, answer.shape)
        np.testing.assert_allclose(answer, values, atol=1e-12 if name == "double" else 1e-6, err_msg=name)

    amounts, counts, grades = [1.0, 2.0, -3.0, 0.0], [1, 0, 2, 3], ["A", "B", "C", "?"]
    row = X[:1]
    np.testing.assert_allclose(run("fixed-one", {"features": row}), p[:1].reshape(-1, 1), atol=1e-6)
    np.testing.assert_allclose(run("fixed-eight", {"features": np.repeat(row, 8, axis=0)}), np.full((8, 1), p[0]), atol=1e-6)
    np.testing.assert_allclose(run("half", {"features": X}), p.reshape(-1, 1), atol=1e-3)
    np.testing.assert_allclose(run("half-input", {"features": X.astype(np.float16)}), p.reshape(-1, 1), atol=1e-3)
    np.testing.assert_allclose(run("rank-one", {"features": X[0]}), p[:1], atol=1e-6)
    centred = X.astype(np.float64) - X.mean(axis=0)
    np.testing.assert_allclose(run("neighbours", {"features": X}), 1 / (1 + np.exp(-(centred @ WEIGHTS + BIAS))).reshape(-1, 1), atol=1e-6)
    whole = run("whole", {"open": np.array([[True], [False]]), "count": np.array([[3], [-4]], np.int32)})
    np.testing.assert_allclose(whole, 1 / (1 + np.exp(-(np.array([[3, 1], [-4, 0]]) @ WEIGHTS + BIAS))).reshape(-1, 1), atol=1e-6)

    flat = run("flat-inputs", {"amount": X[:, 0].copy(), "count": X[:, 1].copy()})
    np.testing.assert_allclose(flat, p.reshape(-1, 1, 1), atol=1e-6)
    np.testing.assert_allclose(run("columns", {"features": X}), 1 - p, atol=1e-6)
    np.testing.assert_allclose(run("external", {"features": X}), p.reshape(-1, 1), atol=1e-6)

    answer = run("mixed", {
        "amount": np.array(amounts, np.float32).reshape(-1, 1), "count": np.array(counts).reshape(-1, 1),
        "grade": np.array(grades, object).reshape(-1, 1),
    })
    log_odds = [0.25 * a - 0.5 * c + GRADES.get(g, OTHER_GRADE) for a, c, g in zip(amounts, counts, grades)]
    np.testing.assert_allclose(answer[:, 1], 1 / (1 + np.exp(-np.array(log_odds))), atol=1e-6)


def _hostile():
    """Graphs that must not serve."""
    probability = {"probability": (TensorProto.FLOAT, ["N", 1])}

    def beside(name, nodes, constants, output):
        """p(x), and nodes whose `output` decides nothing but must be computed."""
        score, weights = _score()
        zero = [
            helper.make_node("Mul", [output, "nothing"], ["no_part"]),
            helper.make_node("Add", ["default", "no_part"], ["probability"]),
        ]
        _save(name, [*score, *nodes, *zero], probability, [*weights, _tensor("nothing", 0), *constants])

    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still_on"]), helper.make_node("Identity", ["sum"], ["next"])], "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, []),
        ],
        [helper.make_tensor_value_info("still_on", TensorProto.BOOL, []), helper.make_tensor_value_info("next", TensorProto.FLOAT, [])],
    )
    loop = helper.make_node("Loop", ["rounds", "true", "start"], ["end"], body=body)
    beside("hostile/endless-loop", [loop], [_tensor("rounds", 2**62, np.int64), _tensor("true", True, np.bool_), _tensor("start", 1)], "end")
    for name, numbers in {"large-allocation": 2**28, "huge-shape": 2**62}.items():
        large = helper.make_node("ConstantOfShape", ["wide"], ["large"], value=_tensor("value", [1]))
        # The number of rows keeps the runtime from computing it when it loads.
        shape = [
            helper.make_node("Shape", ["features"], ["form"]),
            helper.make_node("Gather", ["form", "second"], ["two"], axis=0),
            helper.make_node("Mul", ["two", "half_of_it"], ["wide"]),
        ]
        most = helper.make_node("ReduceMax", ["large"], ["end"], keepdims=0)
        beside(f"hostile/{name}", [*shape, large, most], [_tensor("second", [1], np.int64), _tensor("half_of_it", [numbers // 2], np.int64)], "end")

    score, weights = _score()
    own = helper.make_node("Score", ["default"], ["probability"], domain="com.bank")
    _unchecked("hostile/own-operator", [*score, own], probability, weights)
    noise = helper.make_node("RandomUniformLike", ["default"], ["noise"], high=1e-7, low=0.0)
    add = helper.make_node("Add", ["default", "noise"], ["probability"])
    _save("hostile/random", [*score, noise, add], probability, weights)
    product = helper.make_node("MatMul", ["features", "weights"], ["product"])
    _save("hostile/logits", [product, helper.make_node("Add", ["product", "bias"], ["probability"])], probability, weights)
    half = helper.make_node("Mul", ["default", "none"], ["zero"])
    always = helper.make_node("Add", ["zero", "one_half"], ["probability"])
    _save("hostile/constant", [*score, half, always], probability, [*weights, _tensor("none", 0), _tensor("one_half", 0.5)])
    some = [
        helper.make_node("Slice", ["features", "one", "two", "one"], ["second_column"]),
        helper.make_node("Sub", ["fifty", "second_column"], ["below"]),
        helper.make_node("Sqrt", ["below"], ["root"]),
        helper.make_node("Mul", ["root", "none"], ["zero"]),
        helper.make_node("Add", ["default", "zero"], ["probability"]),
    ]
    numbers = [_tensor("one", [1], np.int64), _tensor("two", [2], np.int64), _tensor("fifty", 50), _tensor("none", 0)]
    _save("hostile/some-nan", [*score, *some], probability, [*weights, *numbers])
    _escapes(probability)


def _outside(name, location):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2, 1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def _escapes(probability):
    nodes, (_, bias) = _score()
    nodes[-1].output[0] = "probability"
    for name, location in {"above": "../weights.bin", "root": "/etc/hostname"}.items():
        _unchecked(f"hostile/escapes-{name}", nodes, probability, [_outside("weights", location), bias])
    constant = helper.make_node("Constant", [], ["chosen"], value=_outside("value", "/etc/hostname"))
    branch = helper.make_graph([constant], "branch", [], [helper.make_tensor_value_info("chosen", TensorProto.FLOAT, [2, 1])])
    choice = helper.make_node("If", ["true"], ["weights"], then_branch=branch, else_branch=branch)
    _unchecked("hostile/escapes-hidden", [choice, *nodes], probability, [_tensor("true", True, np.bool_), bias])


def _unchecked(name, nodes, outputs, constants):
    """Writes a model that onnx would not: of an operator that it does not know, or with external data that nobody should look for."""
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info(key, *kind) for key, kind in outputs.items()], list(constants),
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in {**OPSET, "com.bank": 1}.items()]
    model = helper.make_model(graph, producer_name="riskgate-fixtures", opset_imports=opsets, ir_version=8)
    (FIXTURES / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def main():
    (FIXTURES / "hostile").mkdir(parents=True, exist_ok=True)
    _constant("nan", float("nan"))
    _constant("out-of-range", 2.5)
    _shapes()
    _types()
    _whole()
    _lone_forms()
    _flat_forms()
    _new_formats()
    _hostile()
    expected = {
        "zipmap-int.onnx": _zipmap("zipmap-int", {True: 1, False: 0}),
        "zipmap-string.onnx": _zipmap("zipmap-string", {True: "bad", False: "good"}),
    }
    (FIXTURES / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")
    (FIXTURES / "README.md").write_text(README)
    _check()
    print(f"fixtures: {len(list(FIXTURES.glob('*.onnx')))} files checked")


if __name__ == "__main__":
    main()
