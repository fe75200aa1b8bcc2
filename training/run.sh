#!/usr/bin/env bash
# Trains and exports the bundled model, and then writes the ONNX fixtures of the gateway's tests.
# Two runs write byte-identical files. PYTHON names another Python 3.11.
# With --mlflow URL, it then logs both versions in that MLflow; without the URL in that of MLFLOW_TRACKING_URI.
set -euo pipefail
cd "$(dirname "$0")"

# One thread everywhere, because the order of floating-point sums must not depend on the load of the machine.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1

[ -x .venv/bin/python ] || "${PYTHON:-python3.11}" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
.venv/bin/python train.py
.venv/bin/python fixtures.py
if [ "${1:-}" = --mlflow ]; then
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-mlflow.txt
  .venv/bin/python mlflow_log.py ${2:+--mlflow "$2"}
fi
