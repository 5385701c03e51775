"""A data base in KISA's form: people, their images by condition, what is missing and what is wrong with it."""

import enum
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Union

import numpy as np

from kface.errors import DatasetError
from kface.files import sha256_bytes
from kface.images import decode_image, read_bytes
from kface.kisa.conditions import CONDITIONS, ENROLMENT, Category, Condition
from kface.text import printable

PathLike = Union[str, "os.PathLike[str]"]

#: How many people KISA's test and its preliminary test have.
FULL_PEOPLE, PRELIMINARY_PEOPLE = 500, 50


@dataclass(frozen=True)
class KisaImage(ABC):
    """One image of the data base; it can be pickled and read by a worker.

    Attributes:
        person: Whose it is.
        condition: Under which condition.
    """

    person: str
    condition: Condition

    @property
    def category(self) -> Category:
        """The condition's category."""
        return self.condition.category

    @property
    @abstractmethod
    def place(self) -> str:
        """Its location, for messages: a file's path."""

    @abstractmethod
    def encoded(self) -> bytes:
        """Return the image file's bytes, which every engine under test is given; raises ImageError where unreadable.

        Their SHA-256 (:func:`kface.files.sha256_bytes`) is the key for a cache of templates.
        """

    def read(self) -> np.ndarray:
        """Return the image as uint8 (h, w, 3), RGB; raises ImageError where it cannot be read."""
        return decode_image(self.encoded(), self.place)

    def sha256(self) -> str:
        """Return the SHA-256 of :meth:`encoded`; raises ImageError where it cannot be read."""
        return sha256_bytes(self.encoded())


@dataclass(frozen=True)
class FileImage(KisaImage):
    """An image that is a file.

    Attributes:
        path: The file.
    """

    path: str

    @property
    def place(self) -> str:
        """The file."""
        return self.path

    def encoded(self) -> bytes:
        """Return the file's content; raises ImageError where it cannot be read."""
        return read_bytes(self.path)


class Severity(str, enum.Enum):
    """An error makes the figures wrong or incomplete; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Fault:
    """A defect of the data base.

    Attributes:
        severity: Error or warning.
        kind: A fixed phrase to count by, such as "no enrolment image".
        place: The person or the file.
        what: What is wrong, and what was done about it.
    """

    severity: Severity
    kind: str
    place: str
    what: str

    def __str__(self) -> str:
        return printable(f"{self.place}: {self.what}")


class Note(str):
    """A remark on a data base in English, which is its value, and in Korean.

    Attributes:
        korean: The same in Korean.
    """

    korean: str

    def __new__(cls, english: str, korean: str) -> "Note":
        """Make one of both texts."""
        made = super().__new__(cls, english)
        made.korean = korean
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """Return what a copy is made of."""
        return str(self), self.korean


class Form(str, enum.Enum):
    """Which of KISA's two forms the data base has."""

    FULL = "full"
    PRELIMINARY = "preliminary"
    OTHER = "other"


@dataclass(frozen=True)
class KisaDatabase:
    """A data base in KISA's form. Make one with :func:`assemble`.

    Attributes:
        title: What a reader calls it.
        synthetic: Whether its faces are synthetic; a report must say so.
        images: At most one a person and condition, each person's enrolment image among them, by person and condition.
        faults: What is wrong, including everything that was left out.
        absent: Conditions that the source has no counterpart for, each with the reason.
        notes: What else qualifies the figures, such as approximated conditions.
    """

    title: str
    synthetic: bool
    images: tuple[KisaImage, ...]
    faults: tuple[Fault, ...] = ()
    absent: dict[Condition, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def people(self) -> tuple[str, ...]:
        """The people, sorted."""
        return tuple(sorted({image.person for image in self.images}))

    @cached_property
    def enrolments(self) -> tuple[KisaImage, ...]:
        """The enrolment images, one a person, in the order of :attr:`people`."""
        return tuple(image for image in self.images if image.category is Category.ENROLMENT)

    def probes(self, category: Category) -> tuple[KisaImage, ...]:
        """Return a category's probes, by person, then in the order of :data:`~kface.kisa.conditions.CONDITIONS`."""
        return tuple(image for image in self.images if image.category is category)

    @cached_property
    def counts(self) -> dict[Condition, int]:
        """How many people have each of the 18 conditions."""
        counts = dict.fromkeys(CONDITIONS, 0)
        for image in self.images:
            counts[image.condition] += 1
        return counts

    @property
    def form(self) -> Form:
        """Full: 500 people by 18 images. Preliminary: 50 by 18. Other: any other number, or images missing."""
        if all(count == len(self.people) for count in self.counts.values()):
            if len(self.people) == FULL_PEOPLE:
                return Form.FULL
            if len(self.people) == PRELIMINARY_PEOPLE:
                return Form.PRELIMINARY
        return Form.OTHER

    def missing(self) -> tuple[str, ...]:
        """Return one line for each deviation from KISA's forms; empty for a complete data base."""
        lines = []
        people = len(self.people)
        if people not in (FULL_PEOPLE, PRELIMINARY_PEOPLE):
            lines.append(f"{people} people instead of {FULL_PEOPLE} (or {PRELIMINARY_PEOPLE} in the preliminary form)")
        for condition, count in self.counts.items():
            if condition in self.absent:
                lines.append(f"{condition}: not in this source ({self.absent[condition]})")
            elif count < people:
                lines.append(f"{condition}: {people - count} of {people} people have no such image")
        return tuple(lines)

    def complete(self, category: Category) -> bool:
        """Return whether every person has every condition of a category."""
        return all(
            count == len(self.people) for condition, count in self.counts.items() if condition.category is category
        )

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults that make the figures wrong or incomplete."""
        return tuple(fault for fault in self.faults if fault.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """The other faults."""
        return tuple(fault for fault in self.faults if fault.severity is Severity.WARNING)

    def require_sound(self, remedy: str = "mend the data base") -> "KisaDatabase":
        """Return the data base, or raise DatasetError where it has errors: the message counts them by kind."""
        if self.errors:
            kinds: dict[str, list[Fault]] = {}
            for fault in self.errors:
                kinds.setdefault(fault.kind, []).append(fault)
            text = ", ".join(f"{len(faults)} x {kind} (first: {faults[0]})" for kind, faults in sorted(kinds.items()))
            raise DatasetError(f"has errors: {text}", self.title, remedy)
        return self


def assemble(
    title: str,
    images: Iterable[KisaImage],
    synthetic: bool = False,
    faults: Iterable[Fault] = (),
    absent: dict[Condition, str] | None = None,
    notes: Iterable[str] = (),
    remedy: str = "give a data base of at least two people",
) -> KisaDatabase:
    """Make a data base of the images that a source found; what does not fit is left out and listed as a fault.

    Two images of one person and condition: both are left out, since either could be meant. A person without an
    enrolment image: their probes are left out. A condition that some people have and others lack is a warning for each
    person who lacks it.

    Args:
        title: What a reader calls it.
        images: In any order.
        synthetic: Whether its faces are no people's.
        faults: What the source found already.
        absent: Conditions that the source has no counterpart for, each with the reason.
        notes: What else qualifies the figures.
        remedy: What the error advises.

    Raises:
        DatasetError: Fewer than two people are left: there would be no impostors.
    """
    found = list(faults)
    held: dict[str, dict[Condition, list[KisaImage]]] = {}
    for image in images:
        held.setdefault(image.person, {}).setdefault(image.condition, []).append(image)
    kept: list[KisaImage] = []
    for person in sorted(held):
        mine: list[KisaImage] = []
        for condition, twins in sorted(held[person].items(), key=lambda pair: pair[0].place):
            if len(twins) > 1:
                places = sorted(image.place for image in twins)
                what = f"{len(twins)} images of {condition}, all left out: {', '.join(places)}"
                found.append(Fault(Severity.ERROR, "same condition twice", person, what))
            else:
                mine += twins
        if not any(image.condition == ENROLMENT for image in mine):
            what = f"no enrolment image, {len(mine)} probes left out"
            found.append(Fault(Severity.ERROR, "no enrolment image", person, what))
            continue
        kept += mine
    people = {image.person for image in kept}
    if len(people) < 2:
        first = f" (first fault: {found[0]})" if found else ""
        raise DatasetError(
            f"has {len(people)} people with an enrolment image, at least 2 are needed{first}", title, remedy
        )
    absent = dict(absent or {})
    database = KisaDatabase(title, synthetic, tuple(kept), tuple(found), absent, tuple(notes))
    has = {(image.person, image.condition) for image in kept}
    for condition, count in database.counts.items():
        if 0 < count < len(people):
            found += [
                Fault(Severity.WARNING, "probe missing", person, f"no image of {condition}")
                for person in database.people
                if (person, condition) not in has
            ]
    return KisaDatabase(title, synthetic, tuple(kept), tuple(found), absent, tuple(notes))


class KisaSource(ABC):
    """Where a data base comes from. The members are :data:`kface.kisa.sources.SOURCES`; conf/kisa/source has one file each.

    Attributes:
        title: What a reader calls it.
        synthetic: Whether its faces are no people's.
    """

    title: ClassVar[str]
    synthetic: ClassVar[bool] = False

    @abstractmethod
    def open(self, progress: bool = True) -> KisaDatabase:
        """Return the data base; a generated one is written first.

        Raises:
            ConfigError: A setting is missing or wrong.
            LayoutError, DatasetError: What is there is no such data base.
        """


__all__ = [
    "FULL_PEOPLE",
    "PRELIMINARY_PEOPLE",
    "Fault",
    "FileImage",
    "Form",
    "KisaDatabase",
    "KisaImage",
    "KisaSource",
    "Note",
    "PathLike",
    "Severity",
    "assemble",
]
