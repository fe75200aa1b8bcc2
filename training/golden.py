"""Chooses the applicants of golden.jsonl: ordinary ones, and ones that expose a wrong export or a wrong gateway."""

from itertools import combinations, product

import lightgbm as lgb
import numpy as np

import boosting
from contract import BY_NAME, HOME_LEVELS, JOB_LEVELS, NAMES, NUMERIC, OPTIONAL, problems
from data import Part
from paths import SEED

ORDINARY_ROWS = 150
CANDIDATES = 200


def _without(applicant: dict, names) -> dict:
    return {name: value for name, value in applicant.items() if name not in names}


def _with(applicant: dict, **changes) -> dict:
    """The applicant with some values changed; features stay in the order of the contract."""
    merged = {**applicant, **changes}
    return {name: merged[name] for name in NAMES if name in merged}


def _missing(bases: list[dict]) -> list[dict]:
    """Every combination of missing optional features on one applicant; each single one, and all of them, on several applicants."""
    patterns = [names for size in range(len(OPTIONAL) + 1) for names in combinations(OPTIONAL, size)]
    few = [names for names in patterns if len(names) in (1, len(OPTIONAL))]
    return [_without(bases[0], names) for names in patterns] + [
        _without(base, names) for base in bases[1:5] for names in few
    ]


def _levels(bases: list[dict]) -> list[dict]:
    """Every pair of categories, with and without records."""
    return [
        _with(bases[i % len(bases)], home=home, job=job, records=records)
        for i, (home, job, records) in enumerate(product(HOME_LEVELS, JOB_LEVELS, (False, True)))
    ]


def _extremes(base: dict) -> list[dict]:
    """Each number at its smallest and largest allowed value, alone and all together, also with missing categories."""
    lowest = {name: BY_NAME[name]["minimum"] for name in NUMERIC}
    highest = {name: BY_NAME[name]["maximum"] for name in NUMERIC}
    rows = [_with(base, **{name: ends[name]}) for name in NUMERIC for ends in (lowest, highest)]
    for ends, records in product((lowest, highest), (False, True)):
        whole = _with(base, **ends, records=records)
        rows += [whole, _without(whole, ["home", "job"])]
    return rows


def _fractions(bases: list[dict]) -> list[dict]:
    """Amounts with cents, which are not exact in float32."""
    money = [name for name in NUMERIC if BY_NAME[name]["kind"] == "NUMBER"]
    return [_with(base, **{name: base[name] + 0.1 * (i + 1) for name in money if name in base}) for i, base in enumerate(bases)]


def ordinary(held_out: Part, bases: list[dict]) -> list[dict]:
    """The applicants that both versions are checked on."""
    complete = [base for base in bases if len(base) == len(NAMES)]
    rows = held_out.applicants[:ORDINARY_ROWS]
    return rows + _missing(complete) + _levels(complete) + _extremes(complete[0]) + _fractions(complete[:9])


def _sides(name: str, threshold: float) -> tuple | None:
    """The last value that goes left and the first that goes right, both exact in float32; None if they are out of range."""
    if BY_NAME[name]["kind"] == "INTEGER":
        left = int(np.floor(threshold))
        sides = (left, left + 1)
    else:
        left = boosting.float32_not_above(threshold)
        sides = (float(left), float(np.nextafter(left, np.float32(np.inf))))
    allowed = BY_NAME[name]["minimum"] <= sides[0] and sides[1] <= BY_NAME[name]["maximum"]
    return sides if allowed else None


def at_thresholds(booster: lgb.Booster, bases: list[dict]) -> list[dict]:
    """For every threshold of a number, both sides of it, on the applicant whose probability changes most between them."""
    thresholds = sorted({(split["column"], split["threshold"]) for split in boosting.splits(booster)})
    X, rows = boosting.matrix(bases[:CANDIDATES]), []
    for column, threshold in thresholds:
        name = boosting.COLUMNS[column]["feature"]
        sides = _sides(name, threshold) if name in NUMERIC else None
        if sides is None:
            continue
        answers = []
        for side in sides:
            X_side = X.copy()
            X_side[:, column] = side
            answers.append(booster.predict(X_side, num_threads=1))
        base = bases[int(np.argmax(np.abs(answers[0] - answers[1])))]
        rows += [_with(base, **{name: side}) for side in sides]
    return rows


def bases_of(training: Part) -> list[dict]:
    """Training applicants in a fixed random order, from which all made-up rows are derived."""
    order = np.random.default_rng(SEED).permutation(len(training))
    return [training.applicants[i] for i in order]


def checked(applicants: list[dict]) -> list[dict]:
    """The applicants without repetitions; raises an error if one of them breaks the contract."""
    for applicant in applicants:
        if found := problems(applicant):
            raise ValueError(f"golden row breaks the contract: {found}")
    return list({tuple(applicant.items()): applicant for applicant in applicants}.values())
