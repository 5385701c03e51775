"""Procedural identities: a person's traits, drawn from seed and name alone."""

import hashlib
from typing import Dict, List, Set, Tuple

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

    Attributes:
        traits: Values by the names in :data:`TRAITS`.
        hair_style: One of :data:`HAIR_STYLES`.
        moles: float64 (k, 4): x, y, radius and darkness.
    """

    def __init__(self, subject: str, seed: int = 0) -> None:
        self.subject = subject
        self.seed = seed
        random = generator(seed, "identity", subject)
        draws = np.clip(random.standard_normal(len(TRAITS)), -CLIP, CLIP)
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
        self.texture_seed = int(random.randint(1 << 30))

    def __getitem__(self, name: str) -> float:
        return self.traits[name]


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
