"""The paths of all files that are read and written, and the constants that every artefact shares."""

from pathlib import Path

TRAINING = Path(__file__).resolve().parent
REPOSITORY = TRAINING.parent
DATA_CSV = TRAINING / "data" / "credit_data.csv"
HELD_OUT_JSONL = TRAINING / "held_out.jsonl"
MODEL_NAME = "consumer-credit"
MODEL_FOLDER = REPOSITORY / "models" / MODEL_NAME
FIXTURES = REPOSITORY / "test" / "fixtures" / "onnx"

SEED = 20261121
# A constant and not the present time, because two runs must write the same bytes.
CREATED_AT = "2026-11-21T00:00:00.000Z"

# The operator sets of every exported graph: the newest ones that onnxmltools writes. ONNX Runtime 1.30 loads them.
OPSET = {"": 15, "ai.onnx.ml": 3}
IR_VERSION = 8
