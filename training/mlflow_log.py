"""Logs the bundled versions in MLflow: a run, a registered version and an alias.

A run has the metrics, the parameters and the model card. The logged model is of the onnx flavour, and has the whole folder of the
version (its bundle) in extra_files/, which `riskgate model fetch` takes as it is.
"""

import argparse
import json
import re

import mlflow
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from paths import MODEL_FOLDER, MODEL_NAME

BUNDLE = ["manifest.json", "golden.jsonl", "MODEL_CARD.md", "model.onnx"]


def signature(manifest: dict) -> ModelSignature:
    """The inputs of the graph, as the manifest has them."""
    # numpy has no number type for texts.
    types = {"string": "object"}
    return ModelSignature(inputs=Schema([
        TensorSpec(np.dtype(types.get(i["type"], i["type"])), (-1, len(i["columns"])), i["name"]) for i in manifest["onnx"]["inputs"]
    ]))


def metric_name(metric: dict) -> str:
    """MLflow allows few characters."""
    return f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', metric['dataset'])}/{metric['name']}"


def log_version(folder) -> str:
    """Logs and registers one version. Returns its number in the registry."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    with mlflow.start_run(run_name=f"{MODEL_NAME} {manifest['version']}"):
        mlflow.log_metrics({metric_name(metric): metric["value"] for metric in manifest["metrics"]})
        mlflow.log_params(manifest["lineage"]["parameters"])
        mlflow.set_tags({"riskgate.algorithm": manifest["algorithm"], "riskgate.data.sha256": manifest["trainingData"]["sha256"]})
        mlflow.log_artifact(str(folder / "MODEL_CARD.md"))
        info = mlflow.onnx.log_model(
            onnx.load(str(folder / "model.onnx")),
            name="model",
            signature=signature(manifest),
            pip_requirements=[f"onnx=={onnx.__version__}"],
            save_as_external_data=False,
            extra_files=[str(folder / name) for name in BUNDLE] + [str(MODEL_FOLDER / "contract.json")],
        )
    registered = mlflow.register_model(info.model_uri, MODEL_NAME, tags={"riskgate.version": manifest["version"]})
    return registered.version


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--alias", default="champion", help="the alias of the version that models/%s/champion names" % MODEL_NAME)
    parser.add_argument("--mlflow", metavar="URL", help="the tracking URI, in place of MLFLOW_TRACKING_URI")
    arguments = parser.parse_args()
    if arguments.mlflow:
        mlflow.set_tracking_uri(arguments.mlflow)
    champion = (MODEL_FOLDER / "champion").read_text().strip()
    mlflow.set_experiment(MODEL_NAME)
    for folder in sorted(path.parent for path in MODEL_FOLDER.glob("*/manifest.json")):
        number = log_version(folder)
        print(f"{MODEL_NAME}/{folder.name} is version {number} in MLflow")
        if folder.name == champion:
            MlflowClient().set_registered_model_alias(MODEL_NAME, arguments.alias, number)


if __name__ == "__main__":
    main()
