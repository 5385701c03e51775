"""All levels of a pyramid on one canvas of fixed size, for runtimes that build a network for one input size (TensorRT).

Levels stand at even places, where P-Net's pool windows start too. Its outputs see :data:`~kface.mtcnn.pyramid.CELL`
pixels, so that no output of a level would see beyond it, with one exception: where a side is odd, the pool rounds up, and its
last window contains one column of the level and, on a canvas, one that lies half outside. No colour outside prevents that
column from being the maximum, since some of P-Net's PReLU slopes are negative. So the canvas has a fourth plane, 0 on levels
and 1 elsewhere, and P-Net's canvas form (:func:`network`) excludes from the pool's windows whatever touches a 1. With it every
output equals that of the level alone.
"""

import itertools
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from kface.errors import ModelError
from kface.mtcnn.pyramid import CELL, STRIDE

#: Side of the smallest level for which P-Net has an output: its pool rounds up.
SMALLEST = CELL - 1


class Place(NamedTuple):
    """A level's place on the canvas, in pixels."""

    top: int
    left: int
    height: int
    width: int


class Canvas(NamedTuple):
    """A canvas for the levels of one frame size; its sides are even, and its places in the levels' order."""

    height: int
    width: int
    places: Tuple[Place, ...]


def layout(sizes: Sequence[Tuple[int, int]]) -> Canvas:
    """Place levels so that little of the canvas remains unused.

    Args:
        sizes: Height and width of each level in pixels.

    Raises:
        ValueError: No level is given, or one is too small for P-Net.
    """
    if not sizes or min(min(size) for size in sizes) < SMALLEST:
        raise ValueError("levels of at least {0}x{0} pixels are needed, not {1}".format(SMALLEST, list(sizes)))
    even = [(_even(height), _even(width)) for height, width in sizes]
    # Tall levels first.
    order = sorted(range(len(even)), key=lambda number: (-even[number][0], -even[number][1], number))
    widths = sorted({width for _, width in even}, reverse=True)
    sums = {sum(some) for count in (1, 2, 3) for some in itertools.combinations_with_replacement(widths, count)}
    best: Canvas = _fill(even, order, sum(width for _, width in even))
    for wide in sorted(sums):
        if wide >= widths[0]:
            canvas = _fill(even, order, wide)
            if canvas.height * canvas.width < best.height * best.width:
                best = canvas
    places = [place._replace(height=size[0], width=size[1]) for place, size in zip(best.places, sizes)]
    return best._replace(places=tuple(places))


def _even(side: int) -> int:
    return side + side % STRIDE


def _fill(sizes: Sequence[Tuple[int, int]], order: Sequence[int], wide: int) -> Canvas:
    """Put levels on a canvas of a given width, each where its upper edge is highest."""
    skyline: List[Tuple[int, int, int]] = [(0, wide, 0)]
    places: Dict[int, Place] = {}
    for number in order:
        height, width = sizes[number]
        tops = [
            (max(top for start, stop, top in skyline if start < left + width and stop > left), left)
            for left, _, _ in skyline
            if left + width <= wide
        ]
        top, left = min(tops)
        places[number] = Place(top, left, height, width)
        cut = []
        for start, stop, line in skyline:
            if start < left:
                cut.append((start, min(stop, left), line))
            if stop > left + width:
                cut.append((max(start, left + width), stop, line))
        skyline = sorted(cut + [(left, left + width, top + height)])
    bottom = max(place.top + place.height for place in places.values())
    right = max(place.left + place.width for place in places.values())
    return Canvas(bottom, right, tuple(places[number] for number in range(len(sizes))))


def pack(levels: Sequence[np.ndarray], canvas: Canvas) -> np.ndarray:
    """Put levels onto a canvas.

    Args:
        levels: float32 (3, h, w), normalised, in the order and of the sizes of the canvas's layout.
        canvas: From :func:`layout`.

    Returns:
        float32 (4, canvas.height, canvas.width): the colours, 0 between the levels, and the mask.

    Raises:
        ValueError: The levels differ from the layout.
    """
    found = [level.shape for level in levels]
    if found != [(3, place.height, place.width) for place in canvas.places]:
        raise ValueError("the canvas is laid out for levels other than {}".format(found))
    packed = np.zeros((4, canvas.height, canvas.width), np.float32)
    packed[3] = 1
    for level, place in zip(levels, canvas.places):
        rows, columns = slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
        packed[:3, rows, columns] = level
        packed[3, rows, columns] = 0
    return packed


def unpack(outputs: Dict[str, np.ndarray], canvas: Canvas) -> List[Dict[str, np.ndarray]]:
    """Cut P-Net's outputs on a canvas into those of the levels.

    Args:
        outputs: By name, float32 (1, c, h', w') or (c, h', w').
        canvas: The layout with which the levels were packed.

    Returns:
        For each level its outputs by name, (c, h", w") equal to P-Net's for the level alone; views, not copies.
    """
    together = {name: values[0] if values.ndim == 4 else values for name, values in outputs.items()}
    parts = []
    for place in canvas.places:
        top, left = place.top // STRIDE, place.left // STRIDE
        rows, columns = slice(top, top + _cells(place.height)), slice(left, left + _cells(place.width))
        parts.append({name: values[:, rows, columns] for name, values in together.items()})
    return parts


def _cells(side: int) -> int:
    """Return the number of P-Net's outputs along a side."""
    return (side + STRIDE - 1 - CELL) // STRIDE + 1


def network(data: bytes) -> bytes:
    """Return P-Net's canvas form: it has an input of four planes, and its pool ignores whatever touches a 1 in the fourth.

    Converts the plain form of :mod:`kface.mtcnn.graphs`; needs onnx.

    Args:
        data: ``pnet.onnx``.

    Returns:
        The ONNX file, with input ``image`` (n, 4, h, w) and outputs ``offsets`` and ``logits`` as before.

    Raises:
        ModelError: The file is another network.
    """
    import onnx
    from onnx import helper, numpy_helper

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:
        raise ModelError("is not an ONNX file ({})".format(str(error)[:100]), "pnet.onnx")
    graph = model.graph
    if [node.op_type for node in graph.node[:3]] != ["Conv", "PRelu", "MaxPool"]:
        raise ModelError("is not the plain form of P-Net", "pnet.onnx", "run: python -m kface.mtcnn prepare")
    first, slopes, pool = graph.node[:3]
    constants = {constant.name: constant for constant in graph.initializer}
    kernel = numpy_helper.to_array(constants[first.input[1]])
    bias = numpy_helper.to_array(constants[first.input[2]])
    steepest = np.abs(numpy_helper.to_array(constants[slopes.input[1]])).max()

    blind = np.concatenate([kernel, np.zeros_like(kernel[:, :1])], axis=1)
    constants[first.input[1]].CopyFrom(numpy_helper.from_array(blind, first.input[1]))
    # Twice the largest output for inputs from -1 to 1, so that a single masked pixel outweighs it.
    weight = 2 * (np.abs(kernel).sum(axis=(1, 2, 3)) + np.abs(bias)).max() * max(steepest, 1)
    mask = np.zeros((1, 4) + kernel.shape[2:], np.float32)
    mask[:, 3] = -np.ceil(weight)
    graph.initializer.append(numpy_helper.from_array(mask, "mask.0"))
    added: List[Any] = [
        helper.make_node("Conv", [first.input[0], "mask.0"], ["mask"], kernel_shape=kernel.shape[2:]),
        helper.make_node("Add", [slopes.output[0], "mask"], ["conv1_masked"]),
    ]
    pool.input[0] = "conv1_masked"
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes[:2] + added + nodes[2:])
    graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
