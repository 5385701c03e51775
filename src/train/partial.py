"""Partial FC: for many identities, a step computes the classification layer for a sample of them.

An, Zhu, Gao et al., "Partial FC: Training 10 Million Identities on a Single Machine" (2021), and An, Deng et al., "Killing Two
Birds with One Stone: Efficient and Robust Training of Face Recognition CNNs by Partial FC" (2022). In each step all identities
of the batch are there, and as many others, drawn at random, as make up the sample. The others' weights are not touched: they
have no logits, no gradient, no decay, and the optimizer's moments of theirs keep their values until they are drawn again (Adam
with lazy moments; momentum that rests). At a rate of 1 it is the complete layer.

The weights of all identities, a row each, and the moments of these rows are variables that the optimizer does not know. Before
a step the drawn rows are copied into a small variable and into the optimizer's moments of it; any optimizer then trains that
variable like others, and after the step the rows are copied back.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kface.checks import number, whole
from kface.errors import ConfigError
from train.heads import CosineHead, normalise
from train.hosts import devices
from train.losses.base import EPSILON, Loss
from train.model import FaceModel
from train.registry import Json, fields_of

#: Part of the path of variables that hold a row for each identity (see :data:`train.hosts.devices.DIVIDED`).
ROWS = "class_rows"
#: Priorities of identities in the draw: of the batch, and of rows that belong to no identity.
SURE, NEVER = 2**31 - 1, -1


@dataclass(frozen=True)
class Sampling:
    """How many identities a step computes.

    Args:
        sample_rate: Share of the identities; 1 for all of them, without sampling.
        shards: Parts of the identities, from each of which the same number is drawn; the number of devices must divide it,
            and each device holds the same number of parts.

    Raises:
        ConfigError: A value is out of its range.
    """

    sample_rate: float = 1.0
    shards: int = 8

    def __post_init__(self) -> None:
        number("head.sample_rate", self.sample_rate, 0, 1, open_below=True)
        whole("head.shards", self.shards, 1, 4096)

    @property
    def used(self) -> bool:
        """Whether anything is left out."""
        return self.sample_rate < 1

    def rows(self, classes: int) -> int:
        """Return the rows of a shard; where the shards do not divide the identities, some have a row that is never drawn."""
        return -(-classes // self.shards)

    def drawn(self, classes: int, batch_size: int) -> int:
        """Return how many rows of a shard a step computes: at least the batch's, which may all be of the same shard.

        Raises:
            ConfigError: It is all of them where not every shard has the same number.
        """
        rows = self.rows(classes)
        count = min(rows, max(math.ceil(self.sample_rate * rows), batch_size))
        if count > classes // self.shards:
            raise ConfigError(
                f"leaves nothing out: a batch of {batch_size} may need all {rows} identities of a shard",
                "head.sample_rate",
                "add head.sample_rate=1",
            )
        return count

    def check(self, classes: int, batch_size: int, device_count: int) -> None:
        """Raise ConfigError where identities, batch or devices do not suit."""
        if not self.used:
            return
        self.drawn(classes, batch_size)
        if self.shards % device_count:
            raise ConfigError(
                f"must be a multiple of {device_count}, the number of devices, not {self.shards}", "head.shards"
            )

    def head(self, loss: Loss, classes: int, batch_size: int, seed: int) -> CosineHead:
        """Return the head of a training."""
        return PartialHead(classes, loss, self, batch_size, seed) if self.used else loss(classes)

    def model(self, backbone: keras.Model, head: CosineHead, label_smoothing: float) -> FaceModel:
        """Return the model of a training."""
        kind = PartialModel if isinstance(head, PartialHead) else FaceModel
        return kind(backbone, head, label_smoothing)

    def described(self) -> dict[str, Json]:
        """Return what decides the weights; nothing where nothing is left out, as in runs before there was sampling."""
        return {"head": fields_of(self)} if self.used else {}


class PartialHead(CosineHead):
    """Cosines between embeddings and the weights of the drawn identities; the columns of a batch are these.

    Args:
        classes: Number of identities.
        loss: Scale, margin and the formulas.
        sampling: How many are drawn.
        batch_size: Largest number of images per step, of all devices and hosts together.
        seed: Of the draws.
        name: The layer's.
    """

    def __init__(
        self, classes: int, loss: Loss, sampling: Sampling, batch_size: int, seed: int, name: str = "head"
    ) -> None:
        super().__init__(classes, loss, name)
        self.sampling = sampling
        self.seed = seed
        self.shards = sampling.shards
        self.rows = sampling.rows(classes)
        self.per_shard = sampling.drawn(classes, batch_size)

    @property
    def columns(self) -> int:
        """Number of identities in a step."""
        return self.shards * self.per_shard

    def make_weights(self, embedding: int) -> None:
        """Make the weights of all identities, (rows, embedding * sub-centres), and those of the drawn ones.

        The row of identity c is ``c // shards`` of shard ``c % shards``, so that all shards are filled alike.
        """
        width = embedding * self.loss.sub_centres
        self.all_rows = self.add_weight(
            name=f"{ROWS}_all", shape=(self.shards * self.rows, width), initializer="glorot_uniform", trainable=False
        )
        self.drawn_rows = self.add_weight(name=ROWS, shape=(self.columns, width), initializer="zeros")
        self.drawn = self.add_weight(
            name="drawn", shape=(self.columns,), dtype="int32", initializer="zeros", trainable=False
        )

    def row_of(self, labels: Any) -> Any:
        """Return the rows of identities, int32."""
        labels = ops.cast(labels, "int32")
        return (labels % self.shards) * self.rows + labels // self.shards

    def draw(self, labels: Any, step: Any) -> Any:
        """Draw the rows of a step: those of the batch, and others.

        The draw follows from the seed, the step and the labels alone, on every backend and any number of devices.

        Args:
            labels: Integers (n,), identities.
            step: Number of finished steps, an integer scalar.

        Returns:
            int32 (columns,), ascending.
        """
        key = mixed(ops.cast(step, "uint32") + mixed(ops.convert_to_tensor(self.seed, "uint32")))
        rows = ops.arange(self.shards * self.rows, dtype="int32")
        chance = ops.cast(mixed(ops.cast(rows, "uint32") + key) // ops.convert_to_tensor(2, "uint32"), "int32")
        # The largest value is that of the batch's identities alone.
        chance = ops.minimum(chance, SURE - 1)
        identity = (rows % self.rows) * self.shards + rows // self.rows
        chance = ops.where(identity < self.classes, chance, NEVER)
        own = ops.reshape(self.row_of(labels), (-1, 1))
        chance = ops.scatter_update(chance, own, ops.zeros_like(own[:, 0]) + SURE)
        _, places = ops.top_k(ops.reshape(chance, (self.shards, self.rows)), self.per_shard, sorted=False)
        places = ops.sort(ops.cast(places, "int32"), axis=-1)
        return ops.reshape(places + ops.arange(self.shards, dtype="int32")[:, None] * self.rows, (-1,))

    def cosines(self, embeddings: keras.KerasTensor) -> keras.KerasTensor:
        """Return float32 (n, columns), as the complete head does for the drawn identities."""
        embeddings = normalise(ops.cast(embeddings, "float32"), axis=-1)
        centres = self.loss.sub_centres
        weights = normalise(ops.reshape(self.drawn_rows, (self.columns * centres, -1)), axis=-1)
        # The few embeddings go to the devices that hold the many weights, not the other way round.
        cosines = devices.divided(ops.matmul(embeddings, ops.transpose(weights)), axis=1)
        if centres > 1:
            cosines = ops.max(ops.reshape(cosines, (-1, self.columns, centres)), axis=-1)
        return ops.clip(cosines, -1 + EPSILON, 1 - EPSILON)

    def columns_of(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        """Return the columns of identities that have been drawn, int32 (n,)."""
        return ops.cast(ops.searchsorted(self.drawn, self.row_of(labels)), "int32")

    def described(self) -> dict[str, Json]:
        """Return what decides the head."""
        return {**super().described(), "sample_rate": self.sampling.sample_rate, "shards": self.shards}


class Moments(keras.layers.Layer):
    """The optimizer's moments of all rows.

    Args:
        shape: Of the rows.
        count: How many moments a row has: 2 with Adam, 1 with momentum.
    """

    def __init__(self, shape: tuple[int, int], count: int) -> None:
        super().__init__(name="moments", dtype="float32")
        self.all = [
            self.add_weight(name=f"{ROWS}_moment{number}", shape=shape, initializer="zeros", trainable=False)
            for number in range(count)
        ]
        self.built = True


class PartialModel(FaceModel):
    """A model with a :class:`PartialHead`: a step trains the weights and moments of the drawn rows."""

    head: PartialHead

    def compile(self, *arguments: Any, **more: Any) -> None:
        """Compile, and make the moments of all rows."""
        super().compile(*arguments, **more)
        self.optimizer.build(self.trainable_variables)
        small = self.head.drawn_rows
        name = small.path.replace("/", "_")
        # Keras would take variables in an attribute for weights of the model itself; so these are numbers.
        self.places = tuple(
            place
            for place, variable in enumerate(self.optimizer.variables)
            if name in variable.path and variable.shape == small.shape
        )
        self.moments = Moments(tuple(self.head.all_rows.shape), len(self.places))

    def pairs(self) -> list[tuple[keras.Variable, keras.Variable]]:
        """Return the drawn rows and their moments, each with the variable of all rows."""
        variables = self.optimizer.variables
        moments = [variables[place] for place in self.places]
        return [(self.head.drawn_rows, self.head.all_rows), *zip(moments, self.moments.all, strict=True)]

    def train_step(self, *arguments: Any) -> Any:
        """Draw rows, train, and keep them."""
        _, labels, _ = keras.utils.unpack_x_y_sample_weight(arguments[-1])
        if not devices.on_jax():
            self._fetch(labels)
            logs = super().train_step(*arguments)
            self._keep()
            return logs
        state, data = arguments
        state = self._stateless(state, lambda: self._fetch(labels))
        logs, state = super().train_step(state, data)
        return logs, self._stateless(state, self._keep)

    def _fetch(self, labels: Any) -> None:
        drawn = self.head.draw(labels, self.optimizer.iterations)
        self.head.drawn.assign(drawn)
        for small, large in self.pairs():
            small.assign(self._taken(large, drawn))

    def _keep(self) -> None:
        drawn = ops.convert_to_tensor(self.head.drawn)
        for small, large in self.pairs():
            self._put(large, drawn, ops.convert_to_tensor(small))

    def _taken(self, large: keras.Variable, drawn: Any) -> Any:
        if not devices.on_jax():
            import tensorflow as tf

            # Reads these rows alone.
            return tf.gather(large.value, drawn)
        import jax

        parts = jax.vmap(lambda rows, places: rows[places])(*self._by_shard(large.value, drawn))
        return devices.divided(parts.reshape(len(drawn), -1), axis=0)

    def _put(self, large: keras.Variable, drawn: Any, values: Any) -> None:
        if not devices.on_jax():
            import tensorflow as tf

            # In place: an assignment would copy all rows.
            large.value.scatter_update(tf.IndexedSlices(values, drawn))
            return
        import jax

        rows, places = self._by_shard(large.value, drawn)
        parts = values.reshape(self.head.shards, self.head.per_shard, -1)

        def put(rows: Any, places: Any, values: Any) -> Any:
            return rows.at[places].set(values, indices_are_sorted=True, unique_indices=True)

        large.assign(devices.divided(jax.vmap(put)(rows, places, parts).reshape(large.shape), axis=0))

    def _by_shard(self, rows: Any, drawn: Any) -> tuple[Any, Any]:
        """Return rows as (shards, rows, width), and drawn rows as places in their shards, so that devices keep to theirs."""
        head = self.head
        first = np.arange(head.shards, dtype=np.int32)[:, None] * head.rows
        return rows.reshape(head.shards, head.rows, -1), drawn.reshape(head.shards, head.per_shard) - first

    def _stateless(self, state: Any, change: Any) -> tuple[list[Any], ...]:
        """Run a change of variables on the state that JAX's training holds outside of them."""
        groups = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        mapping = [
            pair for group, values in zip(groups, state, strict=True) for pair in zip(group, values, strict=True)
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            change()
        return tuple([scope.get_current_value(variable) for variable in group] for group in groups)


def mixed(x: Any) -> Any:
    """Return a number for each number, uint32, as if drawn at random (lowbias32, an integer hash with two multiplications)."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, None)):
        x = ops.bitwise_xor(x, ops.bitwise_right_shift(x, ops.convert_to_tensor(shift, "uint32")))
        if factor is not None:
            x = x * ops.convert_to_tensor(factor, "uint32")
    return x
