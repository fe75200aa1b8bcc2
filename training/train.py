"""Trains, checks and exports both versions of the bundled model. Raises an error instead of writing an inexact model."""

import numpy as np

import boosting
import data
import drift
import golden
import logistic
import verify
from contract import contract
from export import write_json, write_jsonl, write_version
from metrics import quality
from paths import HELD_OUT_JSONL, MODEL_FOLDER
from report import write_card

CHAMPION = "2"
LOGISTIC_TOLERANCE = 1e-5  # its graph computes in float32 throughout
BOOSTING_TOLERANCE = 1e-6  # only the sum of the leaves is float32

HELD_OUT, TRAINING = "held-out 25 %", "training 75 %"
CROSS_VALIDATION = "cross-validation on training 75 %"


def golden_pairs(predict, applicants):
    applicants = golden.checked(applicants)
    return applicants, predict(applicants)


def measure(predict, out_of_fold, training, held_out):
    """(held-out probabilities, {dataset: metrics})."""
    held_out_probabilities = predict(held_out.applicants)
    return held_out_probabilities, {
        HELD_OUT: quality(held_out.defaulted, held_out_probabilities),
        TRAINING: quality(training.defaulted, predict(training.applicants)),
        CROSS_VALIDATION: quality(training.defaulted, out_of_fold),
    }


def exactness(tolerance, golden_rows, golden_deviation, all_rows, all_deviation, more):
    # One significant digit, rounded up, because the last digits of a float32 sum differ from CPU to CPU.
    def shown(value):
        exponent = np.floor(np.log10(value))
        return f"{np.ceil(value / 10**exponent) * 10**exponent:.0e}"

    return (
        f"`golden.jsonl` holds {golden_rows:,} applicants with the float64 probability of the model's own library. ONNX Runtime differs from it by at\n"
        f"most {shown(golden_deviation)} on them and {shown(all_deviation)} on all {all_rows:,} rows of the data; the export fails above {tolerance:g}. {more}"
    )


def make_logistic(everything, training, held_out, ordinary):
    pipeline = logistic.train(training.applicants, training.defaulted)
    model = logistic.convert(pipeline)

    def predict(applicants):
        return logistic.predict(pipeline, applicants)

    rows, probabilities = golden_pairs(predict, ordinary)
    native = predict(everything.applicants)
    check = [logistic.INPUTS, logistic.OUTPUT]
    plain = verify.without_zipmap(model)
    verify.deviation(plain, *check, rows, probabilities, LOGISTIC_TOLERANCE, "version 1, ZipMap replaced, golden")
    on_golden = verify.deviation(model, *check, rows, probabilities, LOGISTIC_TOLERANCE, "version 1, golden")
    on_all = verify.deviation(model, *check, everything.applicants, native, LOGISTIC_TOLERANCE, "version 1, all data")

    out_of_fold = logistic.out_of_fold(training.applicants, training.defaulted)
    held_out_probabilities, measured = measure(predict, out_of_fold, training, held_out)
    write_version(
        "1", "Logistic regression on standardised numbers and one-hot categories (scikit-learn pipeline, preprocessing inside the graph).",
        model, logistic.INPUTS, logistic.OUTPUT, zip(rows, probabilities), training, held_out, measured,
        drift.baselines(training.applicants, predict(training.applicants)), {"C": 1.0},
    )
    return measured, lambda comparison: write_card(
        "1", "Logistic regression (scikit-learn), the simple model that a better one must beat",
        "Numbers are standardised; a missing income, assets or debt is replaced by the training median and marked by an indicator column;\n"
        "home and job are one-hot, all zero if missing. All of this is inside the ONNX graph, which takes one input per column and ends\n"
        "in scikit-learn's usual ZipMap.",
        "Coefficients (log-odds; for a number, per standard deviation)",
        [(name, f"{value:+.3f}") for name, value in logistic.coefficients(pipeline)],
        exactness(LOGISTIC_TOLERANCE, len(rows), on_golden, len(everything), on_all, "The graph computes in float32."),
        everything, training, held_out, held_out_probabilities, measured,
        comparison,
    )


def make_boosting(everything, training, held_out, ordinary):
    parameters = boosting.choose(training.applicants, training.defaulted)
    print("  chosen:", parameters)
    booster = boosting.train(parameters, training.applicants, training.defaulted)
    model = boosting.convert(booster)
    verify.same_splits(model, booster)

    def predict(applicants):
        return boosting.predict(booster, applicants)

    rows, probabilities = golden_pairs(predict, ordinary + golden.at_thresholds(booster, golden.bases_of(training)))
    check = [boosting.INPUTS, boosting.OUTPUT]
    on_golden = verify.deviation(model, *check, rows, probabilities, BOOSTING_TOLERANCE, "version 2, golden")
    native = predict(everything.applicants)
    on_all = verify.deviation(model, *check, everything.applicants, native, BOOSTING_TOLERANCE, "version 2, all data")

    X, y = boosting.matrix(training.applicants), training.defaulted.astype(int)
    out_of_fold = boosting.out_of_fold(parameters, X, y)
    held_out_probabilities, measured = measure(predict, out_of_fold, training, held_out)
    baselines = drift.baselines(training.applicants, predict(training.applicants))
    write_version(
        "2", f"Gradient-boosted decision trees (LightGBM, {boosting.TREES} trees of depth {boosting.FIXED['max_depth']}), missing numbers handled by the trees.",
        model, boosting.INPUTS, boosting.OUTPUT, zip(rows, probabilities), training, held_out, measured, baselines,
        {**{key: boosting.FIXED[key] for key in ("objective", "max_depth", "num_leaves")}, "trees": boosting.TREES, **parameters},
    )
    chosen = ", ".join(f"{key} {value:g}" for key, value in parameters.items())
    return measured, lambda comparison: write_card(
        "2", f"Gradient-boosted trees (LightGBM): {boosting.TREES} trees of depth {boosting.FIXED['max_depth']}",
        f"Numbers go in unchanged, or as NaN if missing (each split has a branch for missing values); home and job are one-hot, all\n"
        f"zero if missing; records is 0 or 1. The manifest holds the order of the {len(boosting.COLUMNS)} columns of the single input. Parameters chosen by\n"
        f"{data.REPEATS} x {data.FOLDS}-fold cross-validation on the training part only: {chosen}.",
        "Influence (share of the total gain of all splits)",
        [(name, _share(value)) for name, value in boosting.gain_shares(booster)],
        exactness(
            BOOSTING_TOLERANCE, len(rows), on_golden, len(everything), on_all,
            "Every\nthreshold is the largest float32 not above LightGBM's float64 threshold, so that each float32 input takes the same branch; the golden\n"
            "applicants include both sides of every threshold of a number.",
        ),
        everything, training, held_out, held_out_probabilities, measured,
        "The gap between training and held-out is\noverfitting of the trees, so the held-out figure is the one to trust. " + comparison,
    )


def compare(measured: dict) -> str:
    """The comparison of the two versions, for both cards."""
    (one_cv, two_cv), (one, two) = ([measured[v][kind]["auc"] for v in ("1", "2")] for kind in (CROSS_VALIDATION, HELD_OUT))
    ahead = "1" if one > two else "2"
    return (
        f"\n\nVersion {CHAMPION} is the champion by cross-validation on the {TRAINING.replace('training ', '')} training part (AUC {two_cv:.3f} against {one_cv:.3f} for version 1), a choice\n"
        f"made without the held-out rows. On those, version {ahead} scores higher ({one:.3f} for version 1, {two:.3f} for version 2); that difference\n"
        "is smaller than the width of either interval, so these rows do not show which one is better."
    )


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def main():
    everything = data.load()
    training, held_out = data.split(everything)
    write_jsonl(HELD_OUT_JSONL, (
        {"applicantId": f"held-out-{number:04d}", "features": applicant, "defaulted": bool(defaulted)}
        for number, (applicant, defaulted) in enumerate(zip(held_out.applicants, held_out.defaulted), start=1)
    ))
    write_json(MODEL_FOLDER / "contract.json", contract())
    (MODEL_FOLDER / "champion").write_text(CHAMPION + "\n")
    ordinary = golden.ordinary(held_out, golden.bases_of(training))
    versions = {"1": make_logistic, "2": make_boosting}
    measured, cards = {}, []
    for version, make in versions.items():
        print(f"version {version}")
        measured[version], card = make(everything, training, held_out, ordinary)
        cards.append(card)
        for dataset, values in measured[version].items():
            print(f"  {dataset}:", ", ".join(f"{key} {value:.4f}" for key, value in values.items()))
    for card in cards:
        card(compare(measured))


if __name__ == "__main__":
    main()
