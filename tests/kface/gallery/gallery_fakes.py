"""Embeddings, crops and a key that need no network."""

import sqlite3

import numpy as np
import pytest

pytest.importorskip("cryptography")

from kface.bundle import ThresholdRow, Thresholds
from kface.gallery import Gallery
from kface.verification.report import RateEstimate

KEY = bytes(range(32))
MODEL = "a" * 64
OTHER_MODEL = "b" * 64
SIZE = 16
TABLE = Thresholds(
    "K-Face Q4",
    True,
    100,
    1000,
    10,
    0,
    0,
    (
        ThresholdRow(1e-2, 0.5, RateEstimate(0.009), RateEstimate(0.1)),
        ThresholdRow(1e-3, 0.8, RateEstimate(0.0009), RateEstimate(0.2)),
        ThresholdRow(1e-4, None, None, None, "not measurable"),
    ),
)


def vectors(seed, count=1, size=SIZE):
    return np.random.RandomState(seed).normal(size=(count, size)).astype(np.float32)


def one(seed, size=SIZE):
    return vectors(seed, 1, size)[0]


def crop(seed):
    return np.random.RandomState(seed).randint(0, 256, (112, 112, 3)).astype(np.uint8)


def open_at(path, fingerprint=MODEL, key=KEY, **options):
    return Gallery(path, fingerprint, key, **options)


def edit(path, statement, *values):
    """Change the file behind the gallery's back."""
    db = sqlite3.connect(str(path))
    try:
        count = db.execute(statement, values).rowcount
        db.commit()
    finally:
        db.close()
    return count


def query(path, statement, *values):
    db = sqlite3.connect(str(path))
    try:
        return db.execute(statement, values).fetchall()
    finally:
        db.close()
