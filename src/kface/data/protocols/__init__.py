"""Which captures train and which pairs verify: the paper's choice, T1-T4 and Q1-Q4; identity-disjoint and seeded."""

from kface.data.protocols.pairs import Pair, make_pairs, read_pairs, write_pairs
from kface.data.protocols.selection import Split, select, split, spread
from kface.data.protocols.tables import (
    ALL,
    PAPER,
    PROTOCOLS,
    Q1,
    Q2,
    Q3,
    Q4,
    T1,
    T2,
    T3,
    T4,
    TEST_SUBJECTS,
    Protocol,
    get,
)

__all__ = [
    "ALL",
    "PAPER",
    "PROTOCOLS",
    "Q1",
    "Q2",
    "Q3",
    "Q4",
    "T1",
    "T2",
    "T3",
    "T4",
    "TEST_SUBJECTS",
    "Pair",
    "Protocol",
    "Split",
    "get",
    "make_pairs",
    "read_pairs",
    "select",
    "split",
    "spread",
    "write_pairs",
]
