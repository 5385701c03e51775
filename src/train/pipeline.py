"""From the data set's shards to batches: decode, augment, normalise, batch.

The order and every augmentation follow from the seed, the epoch and the position in the epoch alone, so a run that was
killed and resumed sees the same images as an undisturbed one.
"""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import tensorflow as tf

from kface.data.dataset import DatasetManifest
from kface.errors import TrainingError
from train.augment import Augmentation

#: Decoded crops up to this many bytes are kept in memory; larger data sets are streamed.
CACHE_BYTES = 2 << 30
#: Images in the shuffle buffer of a streamed data set, and shards read at a time.
SHUFFLE_IMAGES = 20_000
INTERLEAVED_SHARDS = 32

FEATURES = {"image": tf.io.FixedLenFeature([], tf.string), "subject": tf.io.FixedLenFeature([], tf.string)}


@dataclass(frozen=True)
class TrainingSplit:
    """The training split of a data set.

    Attributes:
        files: Paths of the shards.
        subjects: Identities, sorted; a label is an index into them.
        images: Number of images.
        firsts: Number of each shard's first image; an image's number is its place in all shards one after the other.
    """

    files: tuple[str, ...]
    subjects: tuple[str, ...]
    images: int
    firsts: tuple[int, ...]

    @classmethod
    def of(cls, manifest: DatasetManifest, least: int = 2) -> "TrainingSplit":
        """Return the training split of a data set.

        Args:
            manifest: The data set.
            least: Smallest number of identities; 1 where the labels do not count.

        Raises:
            TrainingError: It has fewer identities.
        """
        subjects = tuple(manifest.subjects("train"))
        if len(subjects) < least:
            raise TrainingError(
                f"has {len(subjects)} identities to train on, at least {'two are' if least == 2 else 'one is'} needed",
                manifest.directory,
            )
        files = tuple(str(file) for file in manifest.files("train"))
        counts = [shard.images for shard in manifest.of("train")]
        return cls(files, subjects, sum(counts), tuple(accumulate(counts[:-1], initial=0)))


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
    numbered: bool = False,
    host: tuple[int, int] = (0, 1),
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
        numbered: Whether the labels are tuples: the labels, and int64 (batch,), the images' numbers in the order of
            :func:`load`.
        host: Number of this host, from 0, and number of hosts: each gets an equal part of every batch, the first host the
            first images. Their parts, one after the other, are the batch that a single host would get.

    Returns:
        A data set of (float32 (batch_size / hosts, size, size, 3) normalised, int32 (batch,) labels).
    """
    part, parts = host
    share = batch_size // parts

    def prepared(examples: tf.data.Dataset, epoch: tf.Tensor | int) -> tf.data.Dataset:
        """Augment and normalise an epoch's (uint8 image, label, number) triples, and batch them."""

        def prepare(position: tf.Tensor, example: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, object]:
            image = tf.cast(example[0], tf.float32)
            if augmentation is not None:
                number = tf.cast(epoch, tf.int64) * 1_000_003 + position
                image = augmentation(image, tf.stack([tf.constant(seed, tf.int64), number]))
            return normalise(image), (example[1], example[2]) if numbered else example[1]

        dataset = examples.take(images_per_epoch // batch_size * batch_size).enumerate()
        if parts > 1:
            dataset = dataset.filter(lambda position, _: position % batch_size // share == part)
        return dataset.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).batch(share, drop_remainder=True)

    if split.images * size * size * 3 <= CACHE_BYTES:
        images, labels = (tf.constant(values) for values in load(split, size))

        def epoch_of(epoch: tf.Tensor) -> tf.data.Dataset:
            order = _order(split.images, images_per_epoch, seed, epoch)
            examples = tf.data.Dataset.from_tensor_slices(order).map(
                lambda index: (tf.gather(images, index), tf.gather(labels, index), tf.cast(index, tf.int64))
            )
            return prepared(examples, epoch)

        dataset = tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_of)
    else:
        # A shuffle buffer takes its seed when it is created, so each epoch has its own.
        dataset = prepared(_stream(split, images_per_epoch, seed, first_epoch, size), first_epoch)
        for epoch in range(first_epoch + 1, epochs):
            dataset = dataset.concatenate(prepared(_stream(split, images_per_epoch, seed, epoch, size), epoch))
    options = tf.data.Options()
    options.deterministic = True
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def load(split: TrainingSplit, size: int = 112) -> tuple[np.ndarray, np.ndarray]:
    """Decode all crops: uint8 (n, size, size, 3), and int32 (n,) labels."""
    images = np.empty((split.images, size, size, 3), np.uint8)
    labels = np.empty((split.images,), np.int32)
    dataset = _examples(tf.data.TFRecordDataset(list(split.files)).enumerate(), split, size).batch(256)
    start = 0
    for some_images, some_labels, _ in dataset.as_numpy_iterator():
        stop = start + len(some_labels)
        if stop <= split.images:
            images[start:stop], labels[start:stop] = some_images, some_labels
        start = stop
    if start != split.images:
        raise TrainingError(
            f"its shards hold {start} images, but the manifest counts {split.images}",
            "data set",
            "build it again with kface dataset",
        )
    return images, labels


def _examples(records: tf.data.Dataset, split: TrainingSplit, size: int) -> tf.data.Dataset:
    labels = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant(list(split.subjects)), tf.range(len(split.subjects), dtype=tf.int32)
        ),
        default_value=-1,
    )

    def parse(number: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        features = tf.io.parse_single_example(record, FEATURES)
        label = labels.lookup(features["subject"])
        with tf.control_dependencies([tf.debugging.assert_non_negative(label, "a shard holds an unknown identity")]):
            return decode(features["image"], size), tf.identity(label), number

    return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE)


def _order(images: int, images_per_epoch: int, seed: int, epoch: tf.Tensor | int) -> tf.Tensor:
    """Return the indices of an epoch's images: complete shuffled passes, the last one cut off."""
    passes = -(-images_per_epoch // images)
    draws = tf.random.stateless_uniform(
        (passes, images), tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    )
    return tf.reshape(tf.argsort(draws, axis=1), [-1])[:images_per_epoch]


def _stream(split: TrainingSplit, images_per_epoch: int, seed: int, epoch: int, size: int) -> tf.data.Dataset:
    """Read shuffled shards in parallel into a shuffle buffer.

    Each short epoch of a large data set starts with other shards, so that all of them are used eventually.
    """
    order = _order(len(split.files), len(split.files), seed, epoch)
    paths, firsts = (tf.gather(tf.constant(values), order) for values in (split.files, split.firsts))
    files = tf.data.Dataset.from_tensor_slices((paths, tf.cast(firsts, tf.int64)))
    records = files.interleave(
        lambda path, first: tf.data.TFRecordDataset(path).enumerate(first),
        cycle_length=INTERLEAVED_SHARDS,
        block_length=4,
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    # The buffer holds JPEGs, a tenth of the size of the crops.
    buffer = min(SHUFFLE_IMAGES, split.images)
    records = records.repeat(-(-images_per_epoch // split.images)).shuffle(buffer, seed=seed * 10_007 + epoch)
    return _examples(records, split, size)
