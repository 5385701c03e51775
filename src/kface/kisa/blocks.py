"""What a report consists of, whatever it is written as: headings, texts, tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 (the title), 2 or 3."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; `kind` is "plain", "small", "pass", "fail" or "warning", the last three in a box."""

    text: str
    kind: str = "plain"


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: The first row; empty for a table of facts.
        rows: The others.
        widths: Of the columns, in parts of the page's width; they sum to 1.
        numbers: Which columns are set to the right.
        states: By (row, column): "pass" or "fail", which is coloured.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]
    numbers: Sequence[int] = ()
    states: dict[tuple[int, int], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A PNG as wide as the page."""

    data: bytes
    caption: str = ""


@dataclass(frozen=True)
class Pairs:
    """Pairs of JPEG pictures side by side, each with a caption; a picture that cannot be read is None."""

    title: str
    pairs: Sequence[tuple[bytes | None, bytes | None, str]]


@dataclass(frozen=True)
class Break:
    """The next page."""


Block = Heading | Text | Table | Picture | Pairs | Break


@dataclass(frozen=True)
class Document:
    """A report in one language.

    Attributes:
        title: Its title.
        language: "en" or "ko".
        footer: What stands at the foot of every page.
        blocks: What it holds.
    """

    title: str
    language: str
    footer: str
    blocks: tuple[Block, ...]
