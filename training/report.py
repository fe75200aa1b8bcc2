"""Writes the MODEL_CARD.md of one version from the figures of this run."""

import numpy as np

import metrics
from contract import BY_NAME, NAMES
from data import Part
from paths import MODEL_FOLDER, MODEL_NAME

GROUPS = [
    ("age below 30", lambda row: int(row["Age"]) < 30),
    ("age 30 to 44", lambda row: 30 <= int(row["Age"]) < 45),
    ("age 45 and over", lambda row: int(row["Age"]) >= 45),
    ("married", lambda row: row["Marital"] == "married"),
    ("not married", lambda row: row["Marital"] not in ("married", "")),
]


def _percent(value, digits=1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def _table(header: list[str], rows) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def _metrics_table(measured: dict) -> str:
    names = list(next(iter(measured.values())))
    return _table(
        ["data", *(name.upper() if name in ("auc", "ks") else name.capitalize() for name in names)],
        ([dataset, *(f"{values[name]:.3f}" for name in names)] for dataset, values in measured.items()),
    )


def _band_table(defaulted, probabilities) -> str:
    def row(band):
        interval = "–" if band["interval"] is None else f"{_percent(band['interval'][0])} to {_percent(band['interval'][1])}"
        pd_range = f"{_percent(band['low'], 0)} to below {_percent(band['high'], 0)}" if band["high"] < 1 else f"{_percent(band['low'], 0)} and over"
        return [band["band"], pd_range, band["count"], _percent(band["predicted"]), _percent(band["observed"]), interval]

    header = ["band", "predicted PD", "applicants", "mean predicted", "observed default rate", "95 % interval"]
    return _table(header, map(row, metrics.by_band(defaulted, probabilities)))


def _group_table(held_out: Part, probabilities) -> str:
    high, rows = metrics.is_high_risk(probabilities), []
    for name, belongs in GROUPS:
        inside = np.array([belongs(row) for row in held_out.raw])
        auc = metrics.quality(held_out.defaulted[inside], probabilities[inside])["auc"]
        rows.append([
            name, int(inside.sum()), _percent(probabilities[inside].mean()), _percent(held_out.defaulted[inside].mean()),
            _percent(high[inside].mean()), f"{auc:.3f}",
        ])
    return _table(["group", "applicants", "mean predicted", "observed", "in T7 or T8", "AUC"], rows)


def _missing_counts(data: Part) -> str:
    counts = {name: sum(name not in applicant for applicant in data.applicants) for name in NAMES if not BY_NAME[name]["required"]}
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]))


def write_card(version, title, how, influence_title, influence, exactness, data, training, held_out, probabilities, measured, remark):
    """`probabilities` are those of the held-out part; `influence` is a list of (name, text)."""
    low, high = metrics.auc_interval(held_out.defaulted, probabilities)
    intercept, slope = metrics.calibration_line(held_out.defaulted, probabilities)
    card = f"""# Model card: {MODEL_NAME}, version {version}

{title}. Written by `training/run.sh` from the figures of the run that made the model; do not edit by hand.

## Purpose
Probability that an applicant for a consumer loan (credit to buy a good) will default. It serves riskgate's demonstration and tests,
and is a pattern for a lender's own model.

## How it works
{how}

## Data
- `training/data/credit_data.csv`: {len(data):,} real applications, {int(data.defaulted.sum()):,} bad ({_percent(data.defaulted.mean(), 2)}); table `credit_data` of the R package modeldata 1.1.0, MIT licence.
  Source and meaning of the columns: `training/data/README.md`.
- Trained on {len(training):,} rows ({_percent(training.defaulted.mean(), 2)} bad), measured on {len(held_out):,} held-out rows ({_percent(held_out.defaulted.mean(), 2)} bad): a stratified split with a
  fixed seed. The held-out rows were not used for any choice; they are in `training/held_out.jsonl`.
- Missing values in all rows: {_missing_counts(data)}. They stay missing; see "How it works".

Limits of the data:
- Money is in thousands of pesetas, so the applications are Spanish and from before 2002. Prices, wages and lending have changed.
- The dictionary calls the outcome a "final opinion" (positive / negative). The definition of bad, and its period, are not
  documented.
- The data holds no refused applicants and no dates of applications, so a test on later data is not possible.
- {len(data):,} rows are few. The intervals below are wide, and only 20 rows have the level "ignore" of home.

## Features
In: {", ".join(NAMES)}.

Left out on purpose:
- **Marital** and **Age**: using marital status or age in lending is forbidden or restricted in many countries. Sex is not in the data.
- The model still depends on them indirectly: seniority and home, for example, correlate with age. See "Groups".

## Quality
{_metrics_table(measured)}

95 % bootstrap interval of the held-out AUC: {low:.3f} to {high:.3f}. {remark}

### Risk bands (held-out)
A probability equal to a cut-off belongs to the band above it. High risk starts at {metrics.HIGH_RISK_FROM}.

{_band_table(held_out.defaulted, probabilities)}

### Calibration (held-out)
Mean predicted {_percent(probabilities.mean(), 2)}, observed {_percent(held_out.defaulted.mean(), 2)}. Outcome regressed on the log-odds: intercept {intercept:.2f}, slope {slope:.2f}
(perfect: 0 and 1; a slope below 1 means that the probabilities are too extreme). No class weights were used, because they would
destroy the calibration. The level holds for a portfolio with about 28 % bad; a lender with another rate must recalibrate.

### Groups (held-out)
Age and marital status are not inputs; this table uses them only to examine the results.

{_group_table(held_out, probabilities)}

### {influence_title}
{_table(["input", "figure"], influence)}

## Intended use
- Demonstration, development and tests of riskgate: real distributions, missing values, categories, honest uncertainty.
- A pattern for the files that a lender's own model needs: manifest, golden vectors, card.

## Not intended
- Decisions about real people. The data is old, small and from one country, and its outcome is not fully documented.
- Any other population, currency or product than that of the data; figures in another currency give meaningless probabilities.
- Refusing an applicant without a human check, or because of this probability alone.

## Exactness of the export
{exactness}

## Reproduce
`training/run.sh` (Python 3.11) writes the same files again, byte for byte on one kind of machine: fixed seeds, one thread, pinned packages.
"""
    (MODEL_FOLDER / version / "MODEL_CARD.md").write_text(card, encoding="utf-8")
