"""Damaged UFF files, and those that hold anything but a network, are refused with one line."""

import random

import numpy as np
import pytest

from export.uff import execute_uff, schema
from export.uff.metagraph import MetaGraph
from export.uff.reader import UffFile
from kface.errors import ModelError

BATCH = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)


def file(operation="Flatten", function="add", shape=(-1, 3, 6, 6)):
    """Return a file of a few nodes, one of which is of the given kind."""
    graph = MetaGraph()
    image = graph.add("image", "Input", (), dtype=schema.dtype(schema.FLOAT32), shape=schema.integers(shape))
    offset = graph.constant("offset", np.ones((3, 1, 1), np.float32))
    added = graph.add("sum", "Binary", (image, offset), func=schema.text(function))
    pooled = graph.add(
        "pool",
        "Pool",
        (added,),
        inputs_orders=graph.orders("NC+"),
        func=schema.text("max"),
        kernel=schema.integers((2, 2)),
        strides=schema.integers((2, 2)),
        padding=schema.integers((0, 0)),
    )
    graph.add("MarkOutput_0", "MarkOutput", (graph.add("flat", operation, (pooled,)),))
    return graph.join()


def test_the_file_is_computed_as_it_is():
    wanted = (BATCH + 1).reshape(2, 3, 3, 2, 3, 2).max((3, 5)).reshape(2, -1)
    np.testing.assert_allclose(execute_uff(file(), BATCH), wanted)


@pytest.mark.parametrize("operation", ["WriteFile", "Plugin", "CustomOp", "PyFunc", "_IPluginV2", ""])
def test_operations_that_are_not_core_ones_are_refused(operation):
    with pytest.raises(ModelError, match="has the operation"):
        UffFile(file(operation))


@pytest.mark.parametrize("function", ["pow", "", "__import__"])
def test_functions_that_do_not_exist_are_one_line(function):
    with pytest.raises(ModelError, match="the node sum cannot be computed") as caught:
        execute_uff(file(function=function), BATCH)
    assert "\n" not in str(caught.value)


def test_any_damage_is_one_line():
    rng = random.Random(3)
    good = file()
    lines = []
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(data))
            if rng.random() < 0.6:
                data[place] = rng.choice([data[place] ^ 1 << rng.randrange(8), 0, 127, 128, 255])
            else:
                del data[place : place + rng.randint(1, 9)]
        try:
            with np.errstate(all="ignore"):
                execute_uff(bytes(data), BATCH)
        except ModelError as error:
            lines.append(str(error))
    assert len(lines) > 1000
    assert not [line for line in lines if "\n" in line]
