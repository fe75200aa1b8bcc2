"""Turns applicants into model inputs exactly as a manifest's `inputs` say, like the gateway does."""

import math

import numpy as np

DTYPES = {"float32": np.float32, "float64": np.float64, "int64": np.int64, "string": object}


def _cell(applicant: dict, column: dict):
    value = applicant.get(column["feature"])
    if value is None:
        return column.get("missing", 0.0 if "equals" in column else math.nan)
    if "equals" in column:
        return 1.0 if value == column["equals"] else 0.0
    return value if isinstance(value, str) else float(value)


def encode(inputs: list[dict], applicants: list[dict], float64: bool = False) -> dict[str, np.ndarray]:
    """{input name: array [rows, columns]}. With float64, numbers keep full precision, for the models' own libraries."""
    arrays = {}
    for spec in inputs:
        dtype = DTYPES[spec["type"]]
        if float64 and dtype is np.float32:
            dtype = np.float64
        cells = [[_cell(applicant, column) for column in spec["columns"]] for applicant in applicants]
        arrays[spec["name"]] = np.array(cells, dtype=dtype).reshape(len(applicants), len(spec["columns"]))
    return arrays
