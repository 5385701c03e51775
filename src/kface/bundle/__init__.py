"""Bundles: a directory of networks with a manifest of what they expect and how well they work, checked on loading."""

from kface.bundle.card import model_card
from kface.bundle.directory import Bundle, load, write
from kface.bundle.manifest import (
    AlignmentTemplate,
    BundleFile,
    BundleManifest,
    BundlePreprocessing,
    Provenance,
    describe,
    fingerprint,
)
from kface.bundle.thresholds import ThresholdRow, Thresholds, measure, threshold_table

__all__ = [
    "AlignmentTemplate",
    "Bundle",
    "BundleFile",
    "BundleManifest",
    "BundlePreprocessing",
    "Provenance",
    "ThresholdRow",
    "Thresholds",
    "describe",
    "fingerprint",
    "load",
    "measure",
    "model_card",
    "threshold_table",
    "write",
]
