"""Validation on people who are not trained on, every few epochs, and the network that was best on them.

The people are split off those of the training, never off the test people: the best network is chosen on them, and the figures
of a run are those of people on whom nothing was chosen.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from kface import checks
from kface.checks import number, whole
from kface.data.dataset import DatasetManifest, read, read_captures
from kface.data.protocols import make_pairs
from kface.data.testsets import TestSet
from kface.data.testsets.kface_pairs import distinct
from kface.errors import ConfigError, KFaceError
from kface.evaluation.evaluate import verify_set
from kface.verification import VerificationReport
from train import averaging, checkpoints
from train.context import TrainingContext
from train.hosts.devices import synchronise
from train.trained import KerasEmbedder

KEPT = ("last", "best")
#: The false accept rate of the TAR that is logged.
FAR = 1e-2


@dataclass(frozen=True)
class Validation:
    """Which people of the training are kept for validating, how often, and which network becomes the result.

    Args:
        people: Number of people, or a share of all, below 1; 0 for none.
        every: Epochs between two validations; the last epoch is always validated.
        pairs: Pairs that are compared, half of them genuine; fewer where the images do not make as many.
        images: Images of each person.
        keep: ``last`` for the network after the last epoch, ``best`` for the one with the lowest EER.
    """

    people: float = 0
    every: int = 1
    pairs: int = 2000
    images: int = 30
    keep: str = "last"

    def __post_init__(self) -> None:
        value = number("fit.validation.people", self.people, 0)
        if isinstance(value, (int, float)) and 1 <= value != int(value):
            checks.refuse(
                ConfigError(
                    f"must be a share below 1 or a whole number of people, not {value}", "fit.validation.people"
                )
            )
        elif value == 1:
            checks.refuse(
                ConfigError("must be at least 2: one person makes no impostor pairs", "fit.validation.people")
            )
        whole("fit.validation.every", self.every, 1)
        whole("fit.validation.pairs", self.pairs, 2)
        whole("fit.validation.images", self.images, 2)
        if self.keep not in KEPT:
            checks.refuse(ConfigError(f"must be one of {', '.join(KEPT)}, not {self.keep!r}", "fit.validation.keep"))
        elif self.keep == "best" and value == 0:
            checks.refuse(
                ConfigError("needs people who are not trained on", "fit.validation.keep", "add fit.validation.people=8")
            )

    def kept_people(self, manifest: DatasetManifest, seed: int) -> tuple[str, ...]:
        """Return the people of a data set's training split on whom to validate, sorted; which ones follows from the seed.

        Raises:
            ConfigError: They are fewer than two, or fewer than two are left to train on.
        """
        if not self.people:
            return ()
        # Photographs without identities, for a teacher, make no pairs.
        subjects = {shard.subject for shard in manifest.of("train") if manifest.labelled(manifest.member_of(shard))}
        count = int(self.people) if self.people >= 1 else round(self.people * len(subjects))
        if count < 2 or len(subjects) - count < 2:
            raise ConfigError(
                f"leaves {len(subjects) - count} of {len(subjects)} people to train on, and {count} to validate on",
                "fit.validation.people",
                "at least two are needed for each",
            )
        return tuple(sorted(random.Random(f"validation {seed}").sample(sorted(subjects), count)))


def without(manifest: DatasetManifest, people: Sequence[str]) -> DatasetManifest:
    """Return a data set without some people of its training split."""
    left_out = set(people)
    shards = tuple(shard for shard in manifest.shards if shard.split != "train" or shard.subject not in left_out)
    return manifest._replace(shards=shards)


def validation_set(manifest: DatasetManifest, people: Sequence[str], settings: Validation, seed: int) -> TestSet:
    """Return the faces of the people and the pairs of them; both follow from the seed.

    Args:
        manifest: The complete data set.
        people: Of its training split.
        settings: How many images and pairs.
        seed: Of the choice.

    Raises:
        KFaceError: They make no genuine pairs, or no impostor pairs.
    """
    captures = read_captures(manifest, "train", people)
    draw = random.Random(f"validation images {seed}")
    of_person: dict[str, list[int]] = {}
    for index, capture in enumerate(captures):
        of_person.setdefault(capture.subject, []).append(index)
    chosen = sorted(
        index
        for subject in sorted(of_person)
        for index in draw.sample(of_person[subject], min(settings.images, len(of_person[subject])))
    )
    sizes = [min(settings.images, len(found)) for found in of_person.values()]
    genuine = sum(size * (size - 1) // 2 for size in sizes)
    impostor = (sum(sizes) ** 2 - sum(size * size for size in sizes)) // 2
    if not genuine or not impostor:
        raise ConfigError(
            f"{sum(sizes)} pictures of {len(sizes)} people make {genuine} genuine and {impostor} impostor pairs",
            "fit.validation.people",
            "keep more people, or people with at least two pictures each",
        )
    pairs = min(settings.pairs, 2 * min(genuine, impostor))
    training = without(manifest, people)
    drawn = distinct([captures[index] for index in chosen])
    number = {capture: place for place, capture in enumerate(drawn)}
    person = {subject: place for place, subject in enumerate(sorted(of_person))}
    compared = make_pairs(drawn, pairs, seed=seed, train=training.subjects("train"))
    wanted = set(chosen)
    images = [face.image for index, face in enumerate(read(manifest, "train", people)) if index in wanted]
    return TestSet(
        name="validation",
        title="people of the validation",
        images=np.stack(images),
        pairs=np.array([(number[pair.a], number[pair.b]) for pair in compared], np.int64),
        people=np.array([person[capture.subject] for capture in drawn], np.int64),
        failed=np.zeros(len(images), bool),
        synthetic=bool(manifest.source.get("synthetic")),
    )


class Validator(keras.callbacks.Callback):
    """Validates the network and adds the figures to those of the epoch; keeps the weights with the lowest EER.

    Args:
        training: The training.
        testset: The people who are not trained on.
        settings: How often, and which network is kept.
        seed: Of the folds.
    """

    def __init__(self, training: TrainingContext, testset: TestSet, settings: Validation, seed: int) -> None:
        super().__init__()
        self.training = training
        self.testset = testset
        self.settings = settings
        self.seed = seed
        self._embed: KerasEmbedder | None = None

    def report(self) -> VerificationReport:
        """Validate the network as it is."""
        if self._embed is None:
            self._embed = KerasEmbedder(self.model.backbone)
        return verify_set(self._embed, self.testset, 0, self.seed)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Validate, where it is time."""
        finite = math.isfinite(float((logs or {}).get("loss", 0.0)))
        due = (epoch + 1) % self.settings.every == 0 or epoch + 1 == self.training.epochs
        if logs is None or not due or not finite:
            return
        synchronise(self.model)
        seen = () if self.training.batches is None else self.training.batches.images(epoch, averaging.BATCHES)
        with averaging.averaged(self.model, self.model.backbone, seen):
            self._validate(epoch, logs)

    def _validate(self, epoch: int, logs: dict[str, float]) -> None:
        try:
            report = self.report()
        except KFaceError:
            # Embeddings that are not finite: the next loss is not either, and ends the training.
            return
        tar = report.tar[FAR]
        logs["validation_eer"] = report.eer.value
        logs["validation_accuracy"] = report.accuracy.value
        if tar is not None:
            logs["validation_tar"] = tar.value
        memory = self.training.memory
        if (
            self.settings.keep == "best"
            and self.training.writes
            and (memory.best is None or report.eer.value < memory.best.eer)
        ):
            folder = self.training.run_dir / checkpoints.FOLDER
            memory.best = checkpoints.save_best(folder, self.model.backbone, epoch + 1, report.eer.value)
