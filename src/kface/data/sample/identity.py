"""Procedural identities: a person's traits, drawn from seed and name alone."""

import copy
import hashlib
from typing import Dict, List, Optional, Set, Tuple

import numpy as np

#: Name -> mean and standard deviation. Lengths are in units of 10 cm; the line through the eyes is y = 0.
TRAITS: Dict[str, Tuple[float, float]] = {
    # The skull
    "head_width": (0.70, 0.045),
    "head_depth": (1.0, 0.045),
    "crown": (1.20, 0.06),
    "forehead": (0.0, 0.035),
    "temple": (0.0, 0.035),
    "roundness": (2.25, 0.16),
    # The face's outline
    "cheekbone": (0.0, 0.035),
    "jaw_width": (0.50, 0.055),
    "jaw_drop": (0.0, 0.05),
    "chin_length": (-1.13, 0.07),
    "chin_width": (0.20, 0.035),
    "chin_forward": (0.055, 0.03),
    "cheek_fullness": (0.05, 0.03),
    # Eyes and brows
    "eye_distance": (0.315, 0.026),
    "eye_height": (0.0, 0.028),
    "eye_width": (0.145, 0.015),
    "eye_opening": (0.058, 0.013),
    "eye_tilt": (0.018, 0.018),
    "eye_depth": (0.055, 0.022),
    "lid_crease": (0.035, 0.014),
    "iris": (0.056, 0.003),
    "brow_height": (0.185, 0.028),
    "brow_thickness": (0.036, 0.010),
    "brow_length": (0.20, 0.022),
    "brow_arch": (0.028, 0.018),
    "brow_tilt": (0.0, 0.022),
    "brow_density": (0.72, 0.13),
    "brow_ridge": (0.03, 0.02),
    # Nose
    "nose_length": (-0.42, 0.045),
    "nose_height": (0.235, 0.04),
    "nose_bridge": (0.06, 0.028),
    "nose_width": (0.155, 0.022),
    "nose_ridge": (0.075, 0.014),
    "nose_tip": (0.07, 0.016),
    "nose_hook": (0.0, 0.02),
    # Mouth
    "mouth_height": (-0.715, 0.04),
    "mouth_width": (0.235, 0.026),
    "upper_lip": (0.050, 0.013),
    "lower_lip": (0.062, 0.014),
    "lip_forward": (0.045, 0.018),
    "mouth_corner": (0.0, 0.014),
    "philtrum": (0.02, 0.009),
    # Skin and hair
    "skin_lightness": (0.60, 0.075),
    "skin_warmth": (0.0, 0.6),
    "lip_redness": (0.55, 0.2),
    "freckles": (0.25, 0.35),
    "beard_shadow": (0.12, 0.16),
    "age": (0.3, 0.35),
    "hairline": (0.72, 0.085),
    "hair_volume": (0.11, 0.032),
    "hair_lightness": (0.06, 0.035),
    "ear_size": (1.0, 0.12),
}

#: Draws beyond this many standard deviations are cut, to avoid caricatures.
CLIP = 2.2

HAIR_STYLES = ("short", "side parting", "fringe", "bob", "long", "tied back")


class Identity(object):
    """A procedural person.

    Args:
        subject: The identity's name, 8 digits in the sample.
        seed: The sample's; the same name under another seed is another person.
        variation: From 0 to 1: how much further people differ than :data:`TRAITS` says, in shape, skin, hair and age.

    Attributes:
        traits: Values by the names in :data:`TRAITS`.
        hair_style: One of :data:`HAIR_STYLES`.
        moles: float64 (k, 4): x, y, radius and darkness.
        texture_seed: Of the skin's unevenness.
        hair_seed: Of the hair's strands.
        variation: The argument.
        dents: float64 (k, 6), see :func:`_dents`; None without variation.
        blotches: Strength of the skin's unevenness, as a factor.
        hair_tint: How far the hair's blue and green are from black's and brown's, 0 to 1.
    """

    def __init__(self, subject: str, seed: int = 0, variation: float = 0.0) -> None:
        self.subject = subject
        self.seed = seed
        self.variation = variation
        random = generator(seed, "identity", subject)
        draws = np.clip(random.standard_normal(len(TRAITS)), -CLIP, CLIP)
        if variation:
            draws = _alike(draws, generator(seed, "kin", subject), variation)
        self.traits = {name: mean + sd * draw for (name, (mean, sd)), draw in zip(TRAITS.items(), draws)}
        self.traits["age"] = max(0.0, self.traits["age"])
        for name in ("freckles", "beard_shadow", "brow_ridge", "nose_bridge"):
            self.traits[name] = max(0.0, self.traits[name])
        self.hair_style = HAIR_STYLES[int(random.randint(len(HAIR_STYLES)))]
        count = int(random.randint(0, 5))
        self.moles = np.stack(
            [
                random.uniform(-0.55, 0.55, count),
                random.uniform(-1.0, 0.5, count),
                random.uniform(0.010, 0.022, count),
                random.uniform(0.35, 0.8, count),
            ],
            axis=1,
        )
        self.texture_seed = self.hair_seed = int(random.randint(1 << 30))
        self.dents: Optional[np.ndarray] = None
        self.blotches = 1.0
        self.hair_tint = 0.0
        if variation:
            self._vary(generator(seed, "variation", subject))

    def _vary(self, random: np.random.RandomState) -> None:
        """Draw what people differ in beyond :data:`TRAITS`."""
        v = self.variation
        self.dents = _dents(random, v)
        self.blotches = float(1 + v * random.uniform(0, 2.5))
        # All complexions, evenly; the sample without variation has the lighter half.
        self.traits["skin_lightness"] += v * (random.uniform(0.14, 0.80) - self.traits["skin_lightness"])
        self.traits["age"] += v * random.uniform(0, 1.0)
        self.traits["beard_shadow"] += v * (random.uniform() < 0.25) * random.uniform(0.1, 0.6)
        self._colour_hair(random)

    def _colour_hair(self, random: np.random.RandomState) -> None:
        """Draw black, brown, blond or grey hair."""
        kind, light = random.uniform(), random.uniform()
        if kind < 0.45 * self.variation:
            self.traits["hair_lightness"] = 0.08 + 0.5 * light**2
            self.hair_tint = float(random.uniform(0, 1) * (kind < 0.2))

    def with_other_hair(self, random: np.random.RandomState) -> "Identity":
        """Return the same person with the hair of another day: style, volume, hairline and colour are drawn again."""
        other = copy.copy(self)
        other.traits = dict(self.traits)
        other.hair_style = HAIR_STYLES[int(random.randint(len(HAIR_STYLES)))]
        other.hair_seed = int(random.randint(1 << 30))
        for name in ("hairline", "hair_volume", "hair_lightness"):
            mean, sd = TRAITS[name]
            other.traits[name] = max(0.01, mean + sd * float(np.clip(random.standard_normal(), -CLIP, CLIP)))
        other._colour_hair(random)
        return other

    def __getitem__(self, name: str) -> float:
        return self.traits[name]


#: Common causes, such as sex and descent, along which many traits change together, and their share of a trait's variance.
_KIN, _KIN_SHARE = 4, 0.35


def _alike(draws: np.ndarray, random: np.random.RandomState, variation: float) -> np.ndarray:
    """Make traits depend on common causes, and spread them: some strangers become alike, others very different."""
    loadings = generator(0, "kin").standard_normal((_KIN, len(draws)))
    loadings /= np.sqrt((loadings**2).sum(axis=0))
    share = variation * _KIN_SHARE
    mixed = np.sqrt(1 - share) * draws + np.sqrt(share) * random.standard_normal(_KIN) @ loadings
    return np.clip((1 + 0.35 * variation) * mixed, -1.35 * CLIP, 1.35 * CLIP)


def _dents(random: np.random.RandomState, variation: float) -> np.ndarray:
    """Draw where a face departs from what the traits describe.

    Each departure is a smooth bump on both sides of the face, stronger on one of them: no face is symmetric.

    Returns:
        float64 (k, 6): the bump's x and y, its size, and how far it moves the features to the person's left, up and
        forwards.
    """
    found = []
    for _ in range(9):
        place, size = (random.uniform(0, 0.55), random.uniform(-1.05, 0.60)), random.uniform(0.13, 0.34)
        moved = variation * random.standard_normal(3) * np.array([0.022, 0.022, 0.026])
        for side in (1.0, -1.0):
            own = moved * (1 + 0.3 * random.standard_normal(3))
            found.append([side * place[0], place[1], size, side * own[0], own[1], own[2]])
    return np.array(found)


def generator(seed: int, *names: object) -> np.random.RandomState:
    """Return a random generator for a purpose: the same seed and names give the same numbers on every machine and NumPy."""
    text = "\x1f".join([str(seed)] + [str(name) for name in names])
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return np.random.RandomState(np.frombuffer(digest[:16], "<u4").astype(np.uint32))


def subject_names(count: int, seed: int = 0) -> List[str]:
    """Return `count` sorted identity names in K-Face's form, none of them a published test identity.

    YYMMDD, rig 1-4, running number of the day. The days are those of a year in which K-Face was not recorded.
    """
    names: Set[str] = set()
    random = generator(seed, "subjects")
    while len(names) < count:
        names.add(
            "21{:02d}{:02d}{}{}".format(
                random.randint(1, 13), random.randint(1, 29), random.randint(1, 5), random.randint(1, 10)
            )
        )
    return sorted(names)
