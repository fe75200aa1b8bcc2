"""Logs a graph as a data scientist would: the onnx flavour, a signature of named columns, and rows with the library's probabilities."""

import math
import pathlib
import sys

import mlflow
import onnx
import pandas as pd
from mlflow.models import infer_signature

graph, folder = sys.argv[1], pathlib.Path(sys.argv[2])
rows = pd.DataFrame({"AMOUNT": [i / 4 - 3 for i in range(40)], "COUNT OF LOANS": [float(i * 7 % 11) for i in range(40)]})
# The graph computes this from its two features.
probability = [1 / (1 + math.exp(-(0.5 * a - 0.25 * c + 0.125))) for a, c in rows.itertuples(index=False)]
rows_file = folder / "rows.csv"
# The columns in another order than that of the graph.
rows[["COUNT OF LOANS", "AMOUNT"]].assign(probability=probability).to_csv(rows_file, index=False)
mlflow.set_experiment("plain")
mlflow.onnx.log_model(
    onnx.load(graph),
    name="model",
    signature=infer_signature(rows),
    input_example=rows.head(3),
    registered_model_name="Loans_v2",
    extra_files=[str(rows_file)],
)
