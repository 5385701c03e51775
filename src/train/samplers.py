"""Which images an epoch holds, and in which order: a group of settings, ``conf/sampler/``.

An order is a pure function of the population, the seed and the epoch, so a resumed run, and each of several hosts, computes
the same one. Every identity has a deck of its images, which is shuffled each time it has been dealt: no image is repeated,
within an epoch or across epochs, before all others of the identity have been shown.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kface.checks import number, whole
from kface.errors import ConfigError
from train.decks import Decks, Population, share_out
from train.registry import Registry

NOT_ENOUGH = "lower fit.images_per_epoch, or raise the caps"


@dataclass(frozen=True)
class Sampler(ABC):
    """Draws the images of each epoch."""

    #: Its name in conf/sampler/*.yaml.
    name: ClassVar[str]

    @property
    def cap(self) -> int | None:
        """Largest number of an identity's images an epoch."""
        return None

    @abstractmethod
    def parts(self, population: Population) -> np.ndarray:
        """Return float64 (groups,), what each group's images of an epoch are in proportion to, where no cap limits them."""

    def as_it_is(self, population: Population) -> bool:
        """Return whether every epoch is a shuffled pass over all images."""
        return False

    def images(self, population: Population, asked: int | None, batch_size: int) -> int:
        """Return the number of images of an epoch: by default each once, up to the caps.

        Raises:
            ConfigError: The caps leave fewer images than are asked for, or a setting contradicts the batch.
        """
        caps = population.caps_with(self.cap)
        least = int(np.minimum(population.counts, caps).sum())
        if asked is None:
            return least
        most = caps.sum()
        if asked > most and not self.as_it_is(population):
            raise ConfigError(
                f"is {asked}, but the caps on images of an identity leave {int(most)}",
                "fit.images_per_epoch",
                NOT_ENOUGH,
            )
        return asked

    def decks(self, population: Population, images: int, seed: int, batch_size: int) -> Decks:
        """Return the draws of all epochs."""
        caps = population.caps_with(self.cap)
        return Decks(population, share_out(population.weighted(self.parts(population)), images, caps), seed)

    def order(self, decks: Decks, epoch: int, batch_size: int) -> np.ndarray:
        """Return the images of an epoch in their order, int64 indices."""
        return decks.shuffled(decks.draw(epoch), epoch)


SAMPLERS: Registry[Sampler] = Registry("sampler", Sampler)


@SAMPLERS.register
@dataclass(frozen=True)
class Natural(Sampler):
    """Shows every image equally often, except for a cap.

    Args:
        per_identity_cap: Largest number of an identity's images an epoch, others in the next one; None for no limit.
    """

    name: ClassVar[str] = "natural"

    per_identity_cap: int | None = None

    def __post_init__(self) -> None:
        check_cap(self.per_identity_cap)

    @property
    def cap(self) -> int | None:
        """The setting."""
        return self.per_identity_cap

    def parts(self, population: Population) -> np.ndarray:
        """Return the numbers of images, up to the caps."""
        return np.minimum(population.counts, population.caps_with(self.cap))

    def as_it_is(self, population: Population) -> bool:
        """Return whether neither a cap nor a weight changes how often an image is shown."""
        return self.cap is None and population.even


@SAMPLERS.register
@dataclass(frozen=True)
class Balanced(Sampler):
    """Shows every identity equally often, or by a power of its number of images (Kang et al., 2020, ICLR, equation 1).

    Args:
        power: 0 for every identity equally often, 0.5 for the square root of its number of images, 1 for every image.
        per_identity_cap: Largest number of an identity's images an epoch; None for no limit.
    """

    name: ClassVar[str] = "balanced"

    power: float = 0.0
    per_identity_cap: int | None = None

    def __post_init__(self) -> None:
        number("sampler.power", self.power, 0, 1)
        check_cap(self.per_identity_cap)

    @property
    def cap(self) -> int | None:
        """The setting."""
        return self.per_identity_cap

    def parts(self, population: Population) -> np.ndarray:
        """Return the numbers of images to the power."""
        return population.counts.astype(np.float64) ** self.power


@SAMPLERS.register
@dataclass(frozen=True)
class PK(Sampler):
    """Fills each batch with several images of each of its identities (Hermans et al., 2017, arXiv:1703.07737, section 2).

    The identities of a batch are ``fit.batch_size / images_per_identity`` different ones. For losses that compare the images
    of a batch with each other.

    Args:
        images_per_identity: K, images of each identity in a batch; an identity that has fewer repeats them.
        power: As in :class:`Balanced`.
    """

    name: ClassVar[str] = "pk"

    images_per_identity: int = 4
    power: float = 0.0

    def __post_init__(self) -> None:
        whole("sampler.images_per_identity", self.images_per_identity, 2)
        number("sampler.power", self.power, 0, 1)

    def parts(self, population: Population) -> np.ndarray:
        """Return the numbers of images to the power."""
        return population.counts.astype(np.float64) ** self.power

    def images(self, population: Population, asked: int | None, batch_size: int) -> int:
        """Return the number of images of an epoch; raises ConfigError where the batch cannot be filled."""
        if population.pools.any():
            raise ConfigError("needs an identity for each image", "sampler=pk", "leave out unlabelled photographs")
        if batch_size % self.images_per_identity or batch_size == self.images_per_identity:
            raise ConfigError(
                f"is {batch_size}, not a multiple of sampler.images_per_identity={self.images_per_identity} for two or more",
                "fit.batch_size",
                f"set it to {max(2, round(batch_size / self.images_per_identity)) * self.images_per_identity}",
            )
        people = batch_size // self.images_per_identity
        if people > len(population.counts):
            raise ConfigError(
                f"needs {people} identities a batch, but there are {len(population.counts)}",
                "sampler=pk",
                "lower fit.batch_size or raise sampler.images_per_identity",
            )
        images = super().images(population, asked, batch_size)
        steps = images // batch_size
        if self._fills(population, steps, people):
            return images
        if asked is not None:
            raise ConfigError(
                f"is {asked}, but the caps leave too few identities for {steps} batches",
                "fit.images_per_epoch",
                NOT_ENOUGH,
            )
        # The more batches, the more of them lack an identity that its cap allows.
        low, high = 1, steps
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fills(population, middle, people) else (low, middle)
        return low * batch_size

    def _fills(self, population: Population, steps: int, people: int) -> bool:
        return bool(self._most(population, steps).sum() >= steps * people)

    def _most(self, population: Population, steps: int) -> np.ndarray:
        """Return the largest number of batches that each identity is in: one place a batch, and its cap on images."""
        return np.minimum(np.maximum(np.floor(population.caps_with(None) / self.images_per_identity), 1), steps)

    def decks(self, population: Population, images: int, seed: int, batch_size: int) -> Decks:
        """Return the draws of all epochs; a draw is an identity's place in a batch."""
        steps = images // batch_size
        places = steps * (batch_size // self.images_per_identity)
        quotas = share_out(population.weighted(self.parts(population)), places, self._most(population, steps))
        return Decks(population, quotas, seed, each=self.images_per_identity)

    def order(self, decks: Decks, epoch: int, batch_size: int) -> np.ndarray:
        """Deal the identities to the batches: equal ones are neighbours in the list, hence never in the same batch."""
        places = decks.draw(epoch).reshape(-1, self.images_per_identity)
        steps = len(places) * self.images_per_identity // batch_size
        dealt = places.reshape(-1, steps, self.images_per_identity).transpose(1, 0, 2)
        return dealt[decks.shuffled(np.arange(steps), epoch)].reshape(-1)


def check_cap(value: int | None) -> None:
    """Raise ConfigError where a cap is not a number of images."""
    if value is not None:
        whole("sampler.per_identity_cap", value, 1)
