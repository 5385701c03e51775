"""From the data set's shards to batches: decode, augment, normalise, batch.

The order and every augmentation follow from the seed, the epoch and the position in the epoch alone, so a run that was
killed and resumed sees the same images as an undisturbed one, and several hosts agree without talking to each other.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import tensorflow as tf

from kface.data.dataset import DatasetManifest
from kface.errors import ConfigError, TrainingError
from train.augment import Augmentation
from train.decks import Population, hashed
from train.record_index import RecordIndex
from train.samplers import Natural, Sampler

#: Decoded crops up to this many bytes are kept in memory; larger data sets are read from their shards.
CACHE_BYTES = 2 << 30
#: Images that are shuffled with each other in a pass over a larger data set: shards that are read at the same time stay in the
#: system's cache, so that a disk without fast random access will do.
SHUFFLE_IMAGES = 20_000
#: Label of an image without identity.
UNLABELLED = -1

FEATURES = {"image": tf.io.FixedLenFeature([], tf.string)}


@dataclass(frozen=True)
class TrainingSplit:
    """The training split of a data set.

    Attributes:
        files: Paths of the shards.
        subjects: Identities, sorted; a label is an index into them.
        images: Number of images.
        counts: Number of images in each shard.
        labels: Label of each shard; -1 where its images have no identity.
        members: Member of a mixture that each shard belongs to.
        weights: By member, its part of an epoch's images; None for the sampler's own.
        caps: By member, the largest number of an identity's images an epoch; None for no limit.
        directory: The data set's.
    """

    files: tuple[str, ...]
    subjects: tuple[str, ...]
    images: int
    counts: tuple[int, ...]
    labels: tuple[int, ...]
    members: tuple[int, ...]
    weights: tuple[float | None, ...] = (None,)
    caps: tuple[int | None, ...] = (None,)
    directory: Path | None = None

    @classmethod
    def of(cls, manifest: DatasetManifest, labelled: bool = True) -> "TrainingSplit":
        """Return the training split of a data set.

        Args:
            manifest: The data set.
            labelled: Whether the training needs an identity for each image.

        Raises:
            TrainingError: It needs them, and an image has none or there are fewer than two; or there are no images.
        """
        shards = manifest.of("train")
        members = [manifest.member_of(shard) for shard in shards]
        unlabelled = [not manifest.labelled(member) for member in members]
        subjects = sorted({shard.subject for shard, none in zip(shards, unlabelled, strict=True) if not none})
        if labelled and any(unlabelled):
            raise TrainingError(
                "holds photographs without identities, which only a teacher can label",
                manifest.directory,
                "distil with weight 1, or choose another corpus",
            )
        if labelled and len(subjects) < 2:
            raise TrainingError(
                f"has {len(subjects)} identities to train on, at least two are needed", manifest.directory
            )
        if not shards:
            raise TrainingError("has no images to train on", manifest.directory)
        number = {subject: label for label, subject in enumerate(subjects)}
        return cls(
            files=tuple(str(manifest.directory / shard.file) for shard in shards),
            subjects=tuple(subjects),
            images=manifest.images("train"),
            counts=tuple(shard.images for shard in shards),
            labels=tuple(
                UNLABELLED if none else number[shard.subject] for shard, none in zip(shards, unlabelled, strict=True)
            ),
            members=tuple(members),
            weights=tuple(member.weight for member in manifest.members) or (None,),
            caps=tuple(member.cap for member in manifest.members) or (None,),
            directory=manifest.directory,
        )

    @cached_property
    def image_labels(self) -> np.ndarray:
        """int32 (images,), the label of each image."""
        return np.repeat(np.array(self.labels, np.int32), self.counts)

    @cached_property
    def population(self) -> Population:
        """The images by identity, for a sampler."""
        identities = len(self.subjects)
        labels, members = np.array(self.labels, np.int32), np.array(self.members, np.int32)
        pools = sorted(set(members[labels < 0].tolist()))
        place = {member: identities + number for number, member in enumerate(pools)}
        groups = np.array(
            [label if label >= 0 else place[member] for label, member in zip(labels, members.tolist(), strict=True)],
            np.int32,
        )
        owner = np.zeros(identities + len(pools), np.int32)
        owner[groups] = members
        return Population(
            groups=np.repeat(groups, self.counts),
            members=owner,
            pools=np.arange(len(owner)) >= identities,
            weights=self.weights,
            caps=self.caps,
        )

    def index(self) -> RecordIndex:
        """Find the place of each image in the shards; raises TrainingError where one is damaged."""
        if sum(self.counts) != self.images:
            raise TrainingError(
                f"its shards hold {sum(self.counts)} images, but the manifest counts {self.images}",
                "data set",
                "build it again with kface dataset",
            )
        return RecordIndex.of(self.files, self.counts, self.directory)


def normalise(image: tf.Tensor) -> tf.Tensor:
    """Return (x - 127.5) / 128, float32."""
    return (tf.cast(image, tf.float32) - 127.5) / 128.0


def decode(jpeg: tf.Tensor, size: int) -> tf.Tensor:
    """Decode a JPEG crop to uint8 (size, size, 3), RGB."""
    image = tf.io.decode_jpeg(jpeg, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(image, (size, size, 3))


def batches(
    split: TrainingSplit,
    batch_size: int,
    images_per_epoch: int,
    epochs: int,
    seed: int,
    first_epoch: int = 0,
    augmentation: Augmentation | None = None,
    size: int = 112,
    sampler: Sampler | None = None,
    numbered: bool = False,
    host: tuple[int, int] = (0, 1),
    first_step: int = 0,
) -> tf.data.Dataset:
    """Return the batches of the epochs from ``first_epoch`` to ``epochs``, one after the other.

    Args:
        split: What to train on.
        batch_size: Images per batch, of all hosts together; the last, partial batch of an epoch is dropped.
        images_per_epoch: Images per epoch; may be fewer or more than the split has.
        epochs: Of the complete run.
        seed: Of the order and the augmentations.
        first_epoch: Number of finished epochs of a resumed run.
        augmentation: Changes to the images; None for no changes.
        size: Side of the crops in pixels.
        sampler: Draws the images of each epoch; None for each image once.
        numbered: Whether the labels are tuples: the labels, and int64 (batch,), the images' numbers in the order of
            :func:`load`.
        host: Number of this host, from 0, and number of hosts: each gets an equal part of every batch, the first host the
            first images. Their parts, one after the other, are the batch that a single host would get.
        first_step: Number of finished steps of ``first_epoch``, whose batches are left out.

    Returns:
        A data set of (float32 (batch_size / hosts, size, size, 3) normalised, int32 labels, -1 for images without identity).

    Raises:
        ConfigError: The batch cannot be shared out evenly among the hosts.
        TrainingError: A shard cannot be read or is damaged.
    """
    part, parts = host
    if batch_size % parts or not 0 <= part < parts:
        raise ConfigError(f"is {batch_size}, not a multiple of the number of hosts, {parts}", "fit.batch_size")
    mine = slice(part * (batch_size // parts), (part + 1) * (batch_size // parts))
    steps = images_per_epoch // batch_size
    labels = tf.constant(split.image_labels)
    cached = split.images * size * size * 3 <= CACHE_BYTES
    order = _orders(split, sampler or Natural(), steps * batch_size, batch_size, seed, cached)

    def rows_of(epoch: tf.Tensor) -> tf.data.Dataset:
        """Return this host's (augmentation's number, image) of an epoch, batch by batch."""
        rows = tf.reshape(order(epoch), (steps, batch_size))[:, mine]
        positions = tf.reshape(tf.range(steps * batch_size, dtype=tf.int64), (steps, batch_size))[:, mine]
        return tf.data.Dataset.from_tensor_slices((tf.cast(epoch, tf.int64) * 1_000_003 + positions, rows))

    def finished(image: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        image = tf.cast(image, tf.float32)
        if augmentation is not None:
            image = augmentation(image, tf.stack([tf.constant(seed, tf.int64), number]))
        return normalise(image)

    def labelled(row: tf.Tensor) -> object:
        label = tf.gather(labels, row)
        return (label, row) if numbered else label

    rows = tf.data.Dataset.range(first_epoch, epochs).flat_map(rows_of).skip(first_step)
    if cached:
        images = _decoded(split, size)
        examples = rows.unbatch().map(
            lambda number, row: (finished(tf.gather(images, row), number), labelled(row)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    else:
        examples = (
            rows.map(_reader(split.index()), num_parallel_calls=tf.data.AUTOTUNE)
            .unbatch()
            .map(
                lambda number, row, jpeg: (finished(decode(jpeg, size), number), labelled(row)),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
        )
    options = tf.data.Options()
    options.deterministic = True
    ready = examples.batch(batch_size // parts, drop_remainder=True)
    return ready.prefetch(tf.data.AUTOTUNE).with_options(options)


@lru_cache(maxsize=1)
def _decoded(split: TrainingSplit, size: int) -> tf.Tensor:
    """Return the crops that :func:`load` decodes, as a tensor; a training keeps it, and makes single batches of it again."""
    return tf.constant(load(split, size)[0])


@contextmanager
def decoded_once() -> Iterator[None]:
    """Inside, decoded crops are kept, so that single batches can be made again; their memory is given back at the end."""
    try:
        yield
    finally:
        _decoded.cache_clear()


def load(split: TrainingSplit, size: int = 112) -> tuple[np.ndarray, np.ndarray]:
    """Decode all crops: uint8 (n, size, size, 3), and int32 (n,) labels.

    Raises:
        TrainingError: A shard is missing or damaged, or their images are not as many as the manifest counts.
    """
    index = split.index()
    images = np.empty((split.images, size, size, 3), np.uint8)
    rows = tf.data.Dataset.range(split.images).batch(256)
    read = _reader(index)
    decoded = (
        rows.map(lambda row: read(row, row), num_parallel_calls=tf.data.AUTOTUNE)
        .unbatch()
        .map(lambda _, row, jpeg: decode(jpeg, size), num_parallel_calls=tf.data.AUTOTUNE)
        .batch(256)
    )
    start = 0
    try:
        for some in decoded.as_numpy_iterator():
            images[start : start + len(some)] = some
            start += len(some)
    except tf.errors.OpError as error:
        raise damage_of(error) or error
    return images, split.image_labels


def damage_of(error: Exception) -> TrainingError | None:
    """Return the error of a shard that could not be read, which TensorFlow wraps into one of its own; None for another."""
    found = re.search(r"TrainingError: (.+)", str(error)) if isinstance(error, tf.errors.OpError) else None
    if found is None:
        return None
    where, _, what = found.group(1).strip().partition(": ")
    what, _, remedy = what.partition("; ")
    return TrainingError(what, where, remedy or None)


def _reader(index: RecordIndex) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """Return a function that adds the JPEG crops to (number, image) of a batch."""

    def read(number: tf.Tensor, row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        records = tf.numpy_function(index.read, [row], tf.string, stateful=False)
        records = tf.ensure_shape(records, row.shape)
        return number, row, tf.io.parse_example(records, FEATURES)["image"]

    return read


def _orders(
    split: TrainingSplit, sampler: Sampler, images_per_epoch: int, batch_size: int, seed: int, cached: bool
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return what gives the images of an epoch in their order, int64 (images_per_epoch,)."""
    if sampler.as_it_is(split.population):
        if cached:
            return lambda epoch: tf.cast(_order(split.images, images_per_epoch, seed, epoch), tf.int64)
        counts = np.array(split.counts, np.int64)

        def passes(epoch: np.ndarray) -> np.ndarray:
            return windowed(counts, images_per_epoch, seed, int(epoch))

        return lambda epoch: tf.numpy_function(passes, [epoch], tf.int64, stateful=False)
    decks = sampler.decks(split.population, images_per_epoch, seed, batch_size)

    def drawn(epoch: np.ndarray) -> np.ndarray:
        return sampler.order(decks, int(epoch), batch_size)

    return lambda epoch: tf.numpy_function(drawn, [epoch], tf.int64, stateful=False)


def _order(images: int, images_per_epoch: int, seed: int, epoch: tf.Tensor | int) -> tf.Tensor:
    """Return the indices of an epoch's images: complete shuffled passes, the last one cut off."""
    passes = -(-images_per_epoch // images)
    draws = tf.random.stateless_uniform(
        (passes, images), tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    )
    return tf.reshape(tf.argsort(draws, axis=1), [-1])[:images_per_epoch]


def windowed(counts: np.ndarray, images_per_epoch: int, seed: int, epoch: int) -> np.ndarray:
    """Return the indices of an epoch's images in a large data set, int64 (images_per_epoch,).

    Shards are shuffled, and then images with those of neighbouring shards. The passes over the data set follow each other
    without regard to epochs, so that short epochs use all images eventually.

    Args:
        counts: int64 (m,), images of each shard.
        images_per_epoch: Number of images.
        seed: Of the order.
        epoch: From 0.
    """
    images = int(counts.sum())
    starts = np.cumsum(counts) - counts
    first, last = epoch * images_per_epoch, (epoch + 1) * images_per_epoch
    parts = []
    for number in range(first // images, -(-last // images)):
        shards = np.argsort(hashed(seed, number, 5, np.arange(len(counts))), kind="stable")
        sizes = counts[shards]
        inside = np.arange(images) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = np.repeat(starts[shards], sizes) + inside
        window = np.arange(images) // SHUFFLE_IMAGES
        rows = rows[np.lexsort((hashed(seed, number, 6, rows), window))]
        parts.append(rows[max(first - number * images, 0) : last - number * images])
    return np.concatenate(parts)
