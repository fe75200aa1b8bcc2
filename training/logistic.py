"""Version 1: a scikit-learn logistic regression, exported with its preprocessing inside the graph.

The graph keeps the default form of skl2onnx: one [N,1] input per column and a ZipMap at the end.
"""

import numpy as np
import pandas as pd
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from contract import BY_NAME, COLUMN_OF, HOME_LEVELS, JOB_LEVELS, NAMES
from data import folds
from encoding import encode
from graph import seal
from paths import OPSET

# This is not a level of the data. The encoder ignores it, so that a missing category sets no one-hot column.
MISSING_CATEGORY = "missing"

ALWAYS_THERE = ["Seniority", "Time", "Expenses", "Amount", "Price"]
SOMETIMES_MISSING = ["Income", "Assets", "Debt"]

OUTPUT = {"name": "output_probability", "column": 1}


def _input(name: str) -> dict:
    if BY_NAME[name]["kind"] == "CATEGORY":
        return {"name": COLUMN_OF[name], "type": "string", "columns": [{"feature": name, "missing": MISSING_CATEGORY}]}
    return {"name": COLUMN_OF[name], "type": "float32", "columns": [{"feature": name}]}


INPUTS = [_input(name) for name in NAMES]


class MissingFlag(TransformerMixin, BaseEstimator):
    """1 if a number is missing, otherwise 0.

    scikit-learn's own MissingIndicator and SimpleImputer(add_indicator=True) have no ONNX converter.
    """

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        return self

    def transform(self, X):
        return np.isnan(np.asarray(X, dtype=np.float64)).astype(np.float64)

    def get_feature_names_out(self, names=None):
        return np.array([f"{name}_missing" for name in self.feature_names_in_], dtype=object)


def _flag_shape(operator):
    operator.outputs[0].type = FloatTensorType([None, operator.inputs[0].type.shape[1]])


def _flag_graph(scope, operator, container):
    is_nan = scope.get_unique_variable_name("is_nan")
    container.add_node("IsNaN", operator.inputs[0].full_name, is_nan, name=scope.get_unique_operator_name("IsNaN"), op_version=13)
    container.add_node(
        "Cast", is_nan, operator.outputs[0].full_name, name=scope.get_unique_operator_name("Cast"), op_version=13, to=1
    )


update_registered_converter(MissingFlag, "RiskgateMissingFlag", _flag_shape, _flag_graph)


def frame(applicants: list[dict]) -> pd.DataFrame:
    """The pipeline's input in float64, one column per input of the graph."""
    arrays = encode(INPUTS, applicants, float64=True)
    return pd.DataFrame({name: array[:, 0] for name, array in arrays.items()})


def train(applicants: list[dict], defaulted: np.ndarray) -> Pipeline:
    """Fits the pipeline, without class weights, which would destroy the calibration."""
    impute_and_scale = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    one_hot = OneHotEncoder(categories=[HOME_LEVELS, JOB_LEVELS], handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ALWAYS_THERE),
            ("imputed", impute_and_scale, SOMETIMES_MISSING),
            ("flags", MissingFlag(), SOMETIMES_MISSING),
            ("records", "passthrough", ["Records"]),
            ("categories", one_hot, ["Home", "Job"]),
        ],
        verbose_feature_names_out=False,
    )
    pipeline = Pipeline([("columns", columns), ("logistic", LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000))])
    return pipeline.fit(frame(applicants), defaulted.astype(int))


def predict(pipeline: Pipeline, applicants: list[dict]) -> np.ndarray:
    """Probability of default by scikit-learn in float64."""
    return pipeline.predict_proba(frame(applicants))[:, OUTPUT["column"]]


def out_of_fold(applicants: list[dict], defaulted: np.ndarray, repeat: int = 0) -> np.ndarray:
    """For each training row, the probability from a model that has not seen that row."""
    probabilities = np.empty(len(defaulted))
    for fit, check in folds(defaulted, repeat):
        pipeline = train([applicants[i] for i in fit], defaulted[fit])
        probabilities[check] = predict(pipeline, [applicants[i] for i in check])
    return probabilities


def convert(pipeline: Pipeline):
    types = {"string": StringTensorType, "float32": FloatTensorType}
    model = convert_sklearn(
        pipeline,
        name="consumer-credit-1",
        initial_types=[(spec["name"], types[spec["type"]]([None, 1])) for spec in INPUTS],
        target_opset=OPSET,
    )
    return seal(model)


def coefficients(pipeline: Pipeline) -> list[tuple[str, float]]:
    """(column, log-odds coefficient), largest first. Numbers are standardised, so their coefficients are per standard deviation."""
    names = pipeline.named_steps["columns"].get_feature_names_out()
    values = pipeline.named_steps["logistic"].coef_[0]
    return sorted(zip(names, values), key=lambda pair: -abs(pair[1]))
