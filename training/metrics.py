"""The quality of the probabilities: discrimination, calibration, and the observed default rate of each risk band."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve

from paths import SEED

CUTOFFS = [0.03, 0.06, 0.10, 0.15, 0.22, 0.35, 0.60]
HIGH_RISK_FROM = "T7"
BANDS = [f"T{number}" for number in range(1, len(CUTOFFS) + 2)]


def band_index(probabilities: np.ndarray) -> np.ndarray:
    """0 for T1 ... 7 for T8. A probability equal to a cut-off belongs to the band above it."""
    return np.searchsorted(CUTOFFS, probabilities, side="right")


def is_high_risk(probabilities: np.ndarray) -> np.ndarray:
    return band_index(probabilities) >= BANDS.index(HIGH_RISK_FROM)


def quality(defaulted: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    auc = roc_auc_score(defaulted, probabilities)
    false_rate, true_rate, _ = roc_curve(defaulted, probabilities)
    return {
        "auc": round(float(auc), 6),
        "ks": round(float(np.max(true_rate - false_rate)), 6),
        "gini": round(float(2 * auc - 1), 6),
        "brier": round(float(brier_score_loss(defaulted, probabilities)), 6),
    }


def auc_interval(defaulted: np.ndarray, probabilities: np.ndarray, samples: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of the AUC."""
    random, values = np.random.default_rng(SEED), []
    for _ in range(samples):
        rows = random.integers(0, len(defaulted), len(defaulted))
        values.append(roc_auc_score(defaulted[rows], probabilities[rows]))
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def calibration_line(defaulted: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """(intercept, slope) of the outcome regressed on the log-odds; (0, 1) is perfect, a slope below 1 means too extreme."""
    clipped = np.clip(probabilities, 1e-6, 1 - 1e-6)
    log_odds = np.log(clipped / (1 - clipped)).reshape(-1, 1)
    line = LogisticRegression(C=np.inf, tol=1e-8).fit(log_odds, defaulted)
    return float(line.intercept_[0]), float(line.coef_[0, 0])


def wilson(defaults: int, count: int) -> tuple[float, float]:
    """95 % interval of a default rate (Wilson 1927)."""
    z, rate = 1.959964, defaults / count
    centre = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def by_band(defaulted: np.ndarray, probabilities: np.ndarray) -> list[dict]:
    """For each band: its range, applicants, mean predicted probability, and observed default rate with its interval."""
    index, edges, rows = band_index(probabilities), [0.0, *CUTOFFS, 1.0], []
    for number, band in enumerate(BANDS):
        inside = index == number
        count, defaults = int(inside.sum()), int(defaulted[inside].sum())
        rows.append({
            "band": band, "low": edges[number], "high": edges[number + 1], "count": count,
            "predicted": float(probabilities[inside].mean()) if count else None,
            "observed": defaults / count if count else None,
            "interval": wilson(defaults, count) if count else None,
        })
    return rows
