"""From similarity scores to the figures of verification: ROC, DET, EER, TAR@FAR, accuracy, and their intervals."""

from kface.verification.bootstrap import Interval, Resampling
from kface.verification.curves import Curve, curve, eer, eer_of, operating_point, roc_area, tar_at_far
from kface.verification.identification import Identification, extrapolated, identify
from kface.verification.kfold import fold_accuracies, folds_by_person, kfold_accuracy
from kface.verification.report import FARS, RateEstimate, VerificationReport, verify
from kface.verification.scores import FAILED, score_pairs

__all__ = [
    "FAILED",
    "FARS",
    "Curve",
    "Identification",
    "Interval",
    "RateEstimate",
    "Resampling",
    "VerificationReport",
    "curve",
    "eer",
    "eer_of",
    "extrapolated",
    "fold_accuracies",
    "folds_by_person",
    "identify",
    "kfold_accuracy",
    "operating_point",
    "roc_area",
    "score_pairs",
    "tar_at_far",
    "verify",
]
