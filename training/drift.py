"""Baselines for the population stability index (PSI): the distribution of each value over the training rows.

Bins are half-open, [edge, next edge): n inner edges make n + 1 bins, the first below edges[0], the last from edges[-1] up.
Shares are of all training rows and sum to 1 together with missingShare.
"""

import numpy as np

from contract import BY_NAME, NAMES, NUMERIC

DECILES = np.arange(1, 10) / 10


def _numeric(values: np.ndarray, total: int) -> dict:
    # Repeated values give equal deciles, and an edge at the smallest value would give an empty first bin: both are dropped.
    edges = [float(edge) for edge in np.unique(np.quantile(values, DECILES, method="inverted_cdf")) if edge > values.min()]
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return {"edges": edges, "shares": [int(count) / total for count in counts]}


def baselines(applicants: list[dict], probabilities: np.ndarray) -> dict:
    """{"probability" or feature name: baseline}."""
    total, found = len(applicants), {"probability": {**_numeric(probabilities, len(probabilities)), "missingShare": 0}}
    for name in NAMES:
        values = [applicant[name] for applicant in applicants if name in applicant]
        missing = (total - len(values)) / total
        if name in NUMERIC:
            found[name] = {**_numeric(np.array(values, dtype=float), total), "missingShare": missing}
        else:
            levels = BY_NAME[name].get("categories", [True, False])
            shares = {str(level).lower() if level in (True, False) else level: values.count(level) / total for level in levels}
            found[name] = {"categories": shares, "missingShare": missing}
    for name, baseline in found.items():
        shares = baseline.get("shares") or list(baseline["categories"].values())
        if abs(sum(shares) + baseline["missingShare"] - 1) > 1e-12 or min(shares) <= 0:
            raise ValueError(f"bad PSI baseline of {name}: {baseline}")
    return found
