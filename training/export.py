"""Writes the files of one model version: model.onnx, golden.jsonl, manifest.json."""

import hashlib
import json
import platform
from importlib.metadata import version as installed

import numpy as np

from data import Part, file_sha256
from metrics import CUTOFFS, HIGH_RISK_FROM
from paths import CREATED_AT, DATA_CSV, MODEL_FOLDER, MODEL_NAME, REPOSITORY, SEED

BACKGROUND_ROWS = 100
LIBRARIES = ["lightgbm", "numpy", "onnx", "onnxmltools", "onnxruntime", "scikit-learn", "skl2onnx"]


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def background(training: Part) -> list[dict]:
    """A sample of training applicants with the default rate of the training part, as a reference for explanations."""
    random = np.random.default_rng(SEED)
    bad = round(BACKGROUND_ROWS * training.defaulted.mean())
    chosen = [
        random.choice(np.flatnonzero(training.defaulted == outcome), size, replace=False)
        for outcome, size in ((True, bad), (False, BACKGROUND_ROWS - bad))
    ]
    return [training.applicants[i] for i in np.sort(np.concatenate(chosen))]


def golden_rows(golden, held_out):
    """The rows of golden.jsonl. Those of the held-out part say what became of the loan: admission measures the version on them."""
    outcomes = {json.dumps(a): bool(d) for a, d in zip(held_out.applicants, held_out.defaulted)}
    for applicant, probability in golden:
        outcome = outcomes.get(json.dumps(applicant))
        yield {"features": applicant, "probability": float(probability), **({} if outcome is None else {"defaulted": outcome})}


def write_version(version, algorithm, model, inputs, output, golden, training, held_out, measured, baselines, parameters):
    """Writes models/<name>/<version>/. `golden` is [(applicant, probability of the model's library)]; `measured` is {dataset: {metric: value}}."""
    folder = MODEL_FOLDER / version
    folder.mkdir(parents=True, exist_ok=True)
    content = model.SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(content)
    write_jsonl(folder / "golden.jsonl", golden_rows(golden, held_out))
    write_json(folder / "manifest.json", {
        "model": MODEL_NAME,
        "version": version,
        "algorithm": algorithm,
        "createdAt": CREATED_AT,
        "onnx": {"file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest(), "inputs": inputs, "output": output},
        "bands": {"cutoffs": CUTOFFS, "highRiskFrom": HIGH_RISK_FROM},
        "metrics": [
            {"name": name, "value": value, "dataset": dataset}
            for dataset, values in measured.items()
            for name, value in values.items()
        ],
        "trainingData": {
            "file": str(DATA_CSV.relative_to(REPOSITORY)),
            "sha256": file_sha256(DATA_CSV),
            "rows": len(training),
            "defaultRate": round(float(training.defaulted.mean()), 6),
        },
        "background": background(training),
        "psiBaselines": baselines,
        "lineage": {
            "code": "training/run.sh",
            "seed": SEED,
            "python": platform.python_version(),
            "libraries": {name: installed(name) for name in LIBRARIES},
            "parameters": parameters,
        },
    })
