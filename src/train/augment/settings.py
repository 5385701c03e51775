"""Which changes are applied, how often and how strongly."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import tensorflow as tf

from kface.checks import flag, number, whole
from train.augment import colour, degrade, geometry, occlusion
from train.augment.images import Image, Seed, split

#: The settings that are shares of the images, in the order in which the changes are applied.
SHARES = (
    *("glasses", "cap", "mask", "light", "affine"),
    *("low_resolution", "random_crop", "colour_jitter"),
    *("gamma", "colour_cast", "greyscale", "blur", "motion_blur", "noise", "jpeg", "erase"),
)
#: Those that runs of earlier versions have.
FIRST = ("low_resolution", "random_crop", "colour_jitter")


@dataclass(frozen=True)
class Augmentation:
    """How often each change is applied, and its limits. By default, those of AdaFace (Kim et al., 2022, section 4.1).

    The changes follow the way of the light: what a person wears, lamp, position, then camera and file.

    Args:
        flip: Whether to mirror half of the images.
        low_resolution: Share of the images for :func:`train.augment.degrade.low_resolution`.
        random_crop: Share for :func:`train.augment.geometry.random_crop`.
        colour_jitter: Share for :func:`train.augment.colour.colour_jitter`.
        glasses: Share for :func:`train.augment.occlusion.glasses`.
        cap: Share for :func:`train.augment.occlusion.cap`.
        mask: Share for :func:`train.augment.occlusion.mask`.
        light: Share for :func:`train.augment.colour.light_direction`.
        affine: Share for :func:`train.augment.geometry.affine`.
        gamma: Share for :func:`train.augment.colour.gamma`.
        colour_cast: Share for :func:`train.augment.colour.colour_cast`.
        greyscale: Share for :func:`train.augment.colour.greyscale`.
        blur: Share for :func:`train.augment.degrade.blur`.
        motion_blur: Share for :func:`train.augment.degrade.motion_blur`.
        noise: Share for :func:`train.augment.degrade.noise`.
        jpeg: Share for :func:`train.augment.degrade.jpeg`.
        erase: Share for :func:`train.augment.occlusion.erase`.
        smallest_resolution: Smallest side after shrinking, as a share of the side.
        smallest_crop: Smallest side of a cut, as a share of the side.
        colour_strength: Largest change of brightness, contrast and saturation.
        light_strength: Largest part of the light that comes from one lamp.
        rotation: Largest angle, in degrees.
        scaling: Largest change of size.
        shift: Largest shift, as a share of the side.
        gamma_strength: Largest logarithm of the power.
        cast_strength: Largest logarithm of a channel's factor.
        blur_sigma: Largest standard deviation of a blur, in pixels.
        motion_length: Longest motion, in pixels.
        noise_sigma: Largest standard deviation of the noise, in grey levels.
        jpeg_quality: Lowest quality.
        erased_area: Largest share of the area that is erased.

    Raises:
        ConfigError: A value is out of its range.
    """

    flip: bool = True
    low_resolution: float = 0.2
    random_crop: float = 0.2
    colour_jitter: float = 0.2
    glasses: float = 0.0
    cap: float = 0.0
    mask: float = 0.0
    light: float = 0.0
    affine: float = 0.0
    gamma: float = 0.0
    colour_cast: float = 0.0
    greyscale: float = 0.0
    blur: float = 0.0
    motion_blur: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    erase: float = 0.0
    smallest_resolution: float = 0.25
    smallest_crop: float = 0.8
    colour_strength: float = 0.4
    light_strength: float = 0.8
    rotation: float = 10.0
    scaling: float = 0.1
    shift: float = 0.04
    gamma_strength: float = 0.6
    cast_strength: float = 0.2
    blur_sigma: float = 2.0
    motion_length: float = 9.0
    noise_sigma: float = 12.0
    jpeg_quality: int = 20
    erased_area: float = 0.2

    def __post_init__(self) -> None:
        key = "fit.augmentation.{}".format
        flag(key("flip"), self.flip)
        for name in SHARES:
            number(key(name), getattr(self, name), 0, 1)
        for name in ("smallest_resolution", "smallest_crop"):
            number(key(name), getattr(self, name), 0.05, 1)
        number(key("colour_strength"), self.colour_strength, 0, 1, open_above=True)
        number(key("light_strength"), self.light_strength, 0, 1)
        number(key("rotation"), self.rotation, 0, 180)
        number(key("scaling"), self.scaling, 0, 1)
        number(key("shift"), self.shift, 0, 0.5)
        number(key("gamma_strength"), self.gamma_strength, 0, 3)
        number(key("cast_strength"), self.cast_strength, 0, 2)
        number(key("blur_sigma"), self.blur_sigma, 0.3, degrade.RADIUS / 2)
        number(key("motion_length"), self.motion_length, 2, 2 * degrade.RADIUS)
        number(key("noise_sigma"), self.noise_sigma, 0, 128)
        whole(key("jpeg_quality"), self.jpeg_quality, 1, degrade.BEST_QUALITY)
        number(key("erased_area"), self.erased_area, 0.02, 0.9)

    def __call__(self, image: Image, seed: Seed) -> Image:
        """Return the changed image, float32 of the same shape."""
        # These are drawn as they were before there were other changes, so that older runs are resumed with the same images.
        seeds = tf.unstack(split(seed, 5))
        chances = dict(zip(FIRST, tf.unstack(tf.random.stateless_uniform((len(FIRST),), seeds[4])), strict=True))
        own = dict(zip(FIRST, seeds, strict=False))
        others = [name for name in SHARES if name not in FIRST]
        more = tf.unstack(split(tf.random.fold_in(seed, 1), len(others) + 1))
        chances.update(zip(others, tf.unstack(tf.random.stateless_uniform((len(others),), more.pop())), strict=True))
        own.update(zip(others, more, strict=True))
        for name, change in self.changes().items():
            if getattr(self, name) > 0:
                image = tf.cond(
                    chances[name] < getattr(self, name),
                    lambda change=change, image=image, name=name: change(image, own[name]),
                    lambda image=image: image,
                )
        return geometry.flip(image, seeds[3]) if self.flip else image

    def changes(self) -> dict[str, Callable[[Image, Seed], Image]]:
        """Return the changes by the name of their share, within this object's limits, in the order of :data:`SHARES`."""
        warp = partial(geometry.affine, rotation=self.rotation, scale=self.scaling, shift=self.shift)
        return {
            "glasses": occlusion.glasses,
            "cap": occlusion.cap,
            "mask": occlusion.mask,
            "light": partial(colour.light_direction, strength=self.light_strength),
            "affine": warp,
            "low_resolution": partial(degrade.low_resolution, smallest=self.smallest_resolution),
            "random_crop": partial(geometry.random_crop, smallest=self.smallest_crop),
            "colour_jitter": partial(colour.colour_jitter, strength=self.colour_strength),
            "gamma": partial(colour.gamma, strength=self.gamma_strength),
            "colour_cast": partial(colour.colour_cast, strength=self.cast_strength),
            "greyscale": colour.greyscale,
            "blur": partial(degrade.blur, largest=self.blur_sigma),
            "motion_blur": partial(degrade.motion_blur, longest=self.motion_length),
            "noise": partial(degrade.noise, largest=self.noise_sigma),
            "jpeg": partial(degrade.jpeg, lowest=self.jpeg_quality),
            "erase": partial(occlusion.erase, largest=self.erased_area),
        }
