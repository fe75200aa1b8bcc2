"""Reads credit_data.csv and splits it into a training and a held-out part."""

import csv
import hashlib
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

from contract import FEATURES, problems
from paths import DATA_CSV, SEED

HELD_OUT_SHARE = 0.25
FOLDS = 5
REPEATS = 3


@dataclass
class Part:
    """Some rows of the data: the applicants, whether each defaulted, and the raw rows (used only for checks by group)."""

    applicants: list[dict]
    defaulted: np.ndarray
    raw: list[dict]

    def __len__(self):
        return len(self.applicants)

    def take(self, indices) -> "Part":
        return Part([self.applicants[i] for i in indices], self.defaulted[indices], [self.raw[i] for i in indices])


def _value(kind: str, text: str):
    if kind == "BOOLEAN":
        return {"yes": True, "no": False}[text]
    return text if kind == "CATEGORY" else int(text)  # every number in the data is whole


def _applicant(row: dict) -> dict:
    return {
        feature["contract"]["name"]: _value(feature["contract"]["kind"], row[feature["column"]])
        for feature in FEATURES
        if row[feature["column"]] != ""
    }


def load() -> Part:
    """Reads all rows, in the order of the file. Raises an error if a row breaks the contract."""
    with DATA_CSV.open(newline="") as file:
        rows = list(csv.DictReader(file))
    applicants = [_applicant(row) for row in rows]
    for number, applicant in enumerate(applicants, start=1):
        if found := problems(applicant):
            raise ValueError(f"row {number} of {DATA_CSV.name}: {found}")
    return Part(applicants, np.array([row["Status"] == "bad" for row in rows]), rows)


def split(data: Part) -> tuple[Part, Part]:
    """(training, held-out): 75 / 25 %, stratified by outcome, each in the order of the file."""
    training, held_out = train_test_split(
        np.arange(len(data)), test_size=HELD_OUT_SHARE, stratify=data.defaulted, random_state=SEED
    )
    return data.take(np.sort(training)), data.take(np.sort(held_out))


def folds(defaulted: np.ndarray, repeat: int = 0):
    """For each fold of one repeat of cross-validation: (indices for fitting, indices for checking)."""
    return StratifiedKFold(FOLDS, shuffle=True, random_state=SEED + repeat).split(np.zeros(len(defaulted)), defaulted)


def file_sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
