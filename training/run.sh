#!/usr/bin/env bash
# Trains and exports the bundled model, then the ONNX fixtures of the gateway's tests.
# Running it twice gives byte-identical files. PYTHON names another Python 3.11.
set -euo pipefail
cd "$(dirname "$0")"

# One thread everywhere: the order of floating-point sums must not depend on the machine's load.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1

[ -x .venv/bin/python ] || "${PYTHON:-python3.11}" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
.venv/bin/python train.py
.venv/bin/python fixtures.py
