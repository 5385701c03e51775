"""Where a network fails: verification of K-Face's test people by accessory, light, expression and camera.

Each image is compared with the reference S001/L1/E01/C7 of its own person (genuine) and of all other people (impostor), as a
guard compares a visitor with a passport photograph.
"""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from kface.data.layout import ACCESSORIES, CAMERAS, EXPRESSIONS, LIGHTS, Capture
from kface.data.testsets.kface_pairs import people_of
from kface.data.testsets.references import REFERENCE, REFERENCE_NAME, is_reference, references
from kface.verification import Interval, RateEstimate, Resampling, score_pairs
from kface.verification.bootstrap import informative
from kface.verification.curves import crossing, operating_point, ranked_pairs, rates, within
from kface.verification.curves import curve as curve_of

#: The conditions, with their values in K-Face.
FACTORS: dict[str, Collection[int]] = {
    "accessory": ACCESSORIES,
    "light": LIGHTS,
    "expression": EXPRESSIONS,
    "camera": CAMERAS,
}
#: Pairs of conditions that are shown together.
GRIDS = (("accessory", "expression"), ("accessory", "camera"), ("light", "camera"))
#: False accept rates at which TAR is given.
FARS = (1e-2, 1e-3)
#: FMR, over all pairs, of the threshold that is common to all conditions.
COMMON_FMR = 0.01
#: Impostor pairs of a cell at most; of more, some are drawn.
MOST_IMPOSTORS = 10_000
#: Genuine pairs of a condition from which on its rate is shown: that of a handful says nothing.
LEAST_PAIRS = 10
#: Draws of people for an interval at most: there are some 150 cells with intervals.
MOST_REPLICATES = 200


class Cell(NamedTuple):
    """The images under one condition, or under two.

    Attributes:
        panel: The condition, or both with " x " between them.
        levels: Their values.
        only: Whether all other conditions are the reference's; otherwise they are arbitrary.
        images: Number of images.
        genuine: Number of genuine pairs: images with another image as their person's reference.
        impostor: Number of impostor pairs.
        eer: None without pairs of both kinds.
        tar: TAR by FAR; None with fewer than 1 / FAR impostor pairs.
        fnmr: At the threshold that is common to all conditions; None without genuine pairs.
        fmr: Likewise; None without impostor pairs.
    """

    panel: str
    levels: dict[str, int]
    only: bool
    images: int
    genuine: int
    impostor: int
    eer: RateEstimate | None
    tar: dict[float, RateEstimate | None]
    fnmr: float | None
    fmr: float | None

    @property
    def shown(self) -> RateEstimate | None:
        """The EER where it is of enough genuine pairs to be shown."""
        return self.eer if self.genuine >= LEAST_PAIRS else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it; a condition that varies is null."""
        return {
            "panel": self.panel,
            **{factor: self.levels.get(factor) for factor in FACTORS},
            "only": self.only,
            "images": self.images,
            "genuine": self.genuine,
            "impostor": self.impostor,
            "eer": None if self.eer is None else self.eer.to_dict(),
            "tar_at_far": {
                f"{far:.0e}": None if self.tar.get(far) is None else self.tar[far].to_dict()  # type: ignore[union-attr]
                for far in FARS
            },
            "fnmr": self.fnmr,
            "fmr": self.fmr,
        }


class ByCondition(NamedTuple):
    """The figures by condition.

    Attributes:
        cells: One for each condition, also for those that are not in the data set.
        people: Number of people.
        substitutes: Number of people without the reference, of whom the most similar image takes its place.
        threshold: That is common to all conditions: FMR 1 % over all pairs.
    """

    cells: tuple[Cell, ...]
    people: int
    substitutes: int
    threshold: float

    def find(self, **levels: int) -> Cell:
        """Return the cell of one condition or two, the others arbitrary."""
        return next(cell for cell in self.cells if cell.levels == levels and not cell.only)

    def to_csv(self) -> str:
        """Return the cells as a table."""
        out = io.StringIO()
        rates = ["eer", *(f"tar_at_far_{far:.0e}" for far in FARS)]
        columns = ["panel", *FACTORS, "only", "images", "genuine", "impostor"]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*columns, *(f"{rate}{end}" for rate in rates for end in ("", "_low", "_high")), "fnmr", "fmr"])
        for cell in self.cells:
            row: list[object] = [cell.panel, *(cell.levels.get(factor, "") for factor in FACTORS), int(cell.only)]
            row += [cell.images, cell.genuine, cell.impostor]
            for figure in (cell.eer, *(cell.tar.get(far) for far in FARS)):
                low, high = (figure.interval if figure is not None else None) or ("", "")
                row += ["" if figure is None else f"{figure.value:.6g}"]
                row += [f"{end:.6g}" if isinstance(end, float) else "" for end in (low, high)]
            row += ["" if rate is None else f"{rate:.6g}" for rate in (cell.fnmr, cell.fmr)]
            writer.writerow(row)
        return out.getvalue()


def by_condition(
    embeddings: np.ndarray, captures: Sequence[Capture], replicates: int = MOST_REPLICATES, seed: int = 0
) -> ByCondition | None:
    """Compare each image with the references.

    Args:
        embeddings: float32 (n, d), of any length.
        captures: The conditions of the n images.
        replicates: Draws of people for the intervals, at most :data:`MOST_REPLICATES`; 0 for none.
        seed: Of the draws.

    Returns:
        The figures; None where the images are of fewer than two people or are all references.
    """
    own = references(captures)
    people = people_of(captures)
    gallery = np.array([own[subject] for subject in sorted(own)], np.int64)
    probes = np.setdiff1d(np.arange(len(captures)), gallery)
    if len(gallery) < 2 or not len(probes):
        return None
    pairs = np.stack(np.broadcast_arrays(probes[:, None], gallery[None]), axis=-1).reshape(-1, 2)
    scores = score_pairs(embeddings, pairs).reshape(len(probes), len(gallery))
    genuine = people[probes][:, None] == people[gallery][None]
    threshold = operating_point(curve_of(scores.ravel(), genuine.ravel()), COMMON_FMR)[0]
    values = np.array([captures[number][1:5] for number in probes], np.int64)
    held = np.array([capture[1:5] for capture in captures], np.int64)
    random = np.random.RandomState(seed)
    cells = []
    for panel, levels, only in _wanted():
        wanted = _fitting(values, levels, only)
        images = int(_fitting(held, levels, only).sum())
        # A grid of hundreds of cells would take minutes of resampling.
        draws = 0 if panel in (" x ".join(grid) for grid in GRIDS[1:]) else min(replicates, MOST_REPLICATES)
        cells.append(
            _cell(
                Cell(panel, levels, only, images, 0, 0, None, {}, None, None),
                scores[wanted],
                genuine[wanted],
                people[probes][wanted],
                people[gallery],
                threshold,
                draws,
                random,
            )
        )
    missing = sum(not is_reference(captures[number]) for number in own.values())
    return ByCondition(tuple(cells), len(gallery), missing, float(threshold))


def _wanted() -> Iterator[tuple[str, dict[str, int], bool]]:
    """Yield each cell's panel, conditions, and whether the others are the reference's."""
    for only in (True, False):
        for factor, values in FACTORS.items():
            for value in values:
                yield factor, {factor: value}, only
    for first, second in GRIDS:
        for one in FACTORS[first]:
            for other in FACTORS[second]:
                yield f"{first} x {second}", {first: one, second: other}, False


def _fitting(values: np.ndarray, levels: dict[str, int], only: bool) -> np.ndarray:
    """Return which images, (n, 4), are of a cell: bool (n,)."""
    fits = np.ones(len(values), bool)
    for column, (factor, reference) in enumerate(zip(FACTORS, REFERENCE, strict=True)):
        if factor in levels or only:
            fits &= values[:, column] == levels.get(factor, reference)
    return fits


def _cell(
    cell: Cell,
    scores: np.ndarray,
    genuine: np.ndarray,
    probes: np.ndarray,
    gallery: np.ndarray,
    threshold: float,
    replicates: int,
    random: np.random.RandomState,
) -> Cell:
    """Return a cell with its figures; scores and genuine are (k, p), the people (k,) and (p,)."""
    mine, others = np.flatnonzero(genuine), np.flatnonzero(~genuine)
    if len(others) > MOST_IMPOSTORS:
        others = np.sort(random.choice(others, MOST_IMPOSTORS, replace=False))
    flat = scores.ravel()
    cell = cell._replace(
        genuine=len(mine),
        impostor=len(others),
        fnmr=float(np.mean(flat[mine] < threshold)) if len(mine) else None,
        fmr=float(np.mean(flat[others] >= threshold)) if len(others) else None,
    )
    if not len(mine) or not len(others):
        return cell
    chosen = np.concatenate([mine, others])
    pairs = np.stack([probes[chosen // len(gallery)], gallery[chosen % len(gallery)]], axis=1)
    _, _, _, ranked = ranked_pairs(flat[chosen], genuine.ravel()[chosen], pairs)
    fmr, fnmr = rates(ranked)
    fars = [far for far in FARS if len(others) * far >= 1 - 1e-9]
    figures = [crossing, *((lambda fmr, fnmr, far=far: within(fmr, fnmr, far)) for far in fars)]
    found: list[Interval | None] = [None] * len(figures)
    if replicates:
        found = Resampling(pairs, replicates, int(random.randint(1 << 31))).of_rates(ranked, *figures)
    estimates = [
        RateEstimate(float(figure(fmr, fnmr)), informative(interval))
        for figure, interval in zip(figures, found, strict=True)
    ]
    return cell._replace(eer=estimates[0], tar=dict(zip(fars, estimates[1:], strict=True)))


def described(found: ByCondition, title: str, synthetic: bool) -> dict[str, Any]:
    """Return the figures as the report has them; the largest grid is in the table alone."""
    largest = " x ".join(GRIDS[-1])
    return {
        "reference": REFERENCE_NAME,
        "title": title,
        "synthetic_sample": synthetic,
        "people": found.people,
        "substitutes": found.substitutes,
        "common_threshold": {"fmr": COMMON_FMR, "threshold": found.threshold},
        "file": "conditions.csv",
        "picture": "conditions.png",
        "cells": [cell.to_dict() for cell in found.cells if cell.panel != largest],
    }


def name_of(levels: dict[str, int]) -> str:
    """Return what a condition is called, such as "S004 sunglasses" or "L7 all directions, 0 lux"."""
    names = []
    for factor, value in levels.items():
        if factor == "accessory":
            names.append(f"S{value:03d} {ACCESSORIES[value]}")
        elif factor == "expression":
            names.append(f"E{value:02d} {EXPRESSIONS[value]}")
        elif factor == "light":
            light = LIGHTS[value]
            where = "all directions" if light.direction == "all" else f"{light.direction} {light.degrees:+d}"
            names.append(f"L{value} {where}, {light.lux} lux")
        else:
            camera = CAMERAS[value]
            names.append(f"C{value} yaw {camera.yaw:+d}" + (f" pitch {camera.pitch:+d}" if camera.pitch else ""))
    return ", ".join(names)
