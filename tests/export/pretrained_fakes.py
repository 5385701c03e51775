"""A random network with the pretrained network's architecture, and its file in dlib's format."""

import numpy as np

#: A small network of the same kind: both sorts of block, odd and even sides, a 1x1 map at its end.
WIDTHS, DOWNS, SIZE = (4, 4, 6, 6, 8), (False, True, True, False, True), 5


def integer(value):
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "little")


def tensor_bytes(values, dimensions=None):
    dimensions = dimensions or (values.size, 1, 1, 1)
    return b"\x01\x02" + b"".join(map(integer, dimensions)) + values.astype("<f4").tobytes()


def made_up_weights():
    """Return the tensors of the small network."""
    random = np.random.default_rng(1)

    def draw(count, around=0.0, scale=1.0):
        return (around + scale * random.standard_normal(count)).astype(np.float32)

    def layer(channels, width, side):
        filters = draw(width * channels * side * side, scale=1 / np.sqrt(channels * side * side))
        return [np.concatenate([filters, draw(width)]), np.concatenate([draw(width, 1.0, 0.2), draw(width)])]

    made, channels = layer(3, WIDTHS[0], 7), WIDTHS[0]
    for width in WIDTHS:
        made += layer(channels, width, 3) + layer(width, width, 3)
        channels = width
    return [*made, draw(channels * SIZE)]


def file_of(weights):
    """Return the bytes of a file that holds them."""
    parts = [b"\x01\x01\x01\x0dloss_metric_2"]
    # Runs of small integers look like the beginnings of tensors.
    parts += [b"\x01\x02" * 40 + b"\x01\x03\x01\x15input_rgb_image" + bytes(1200)]
    for number, values in enumerate(weights):
        last = number == len(weights) - 1
        parts += [b"\x01\x05con_4", tensor_bytes(values, (8, SIZE, 1, 1) if last else None), b"\x01\x02\x01\x01"]
        parts += [tensor_bytes(np.zeros(4, np.float32))]
    return b"".join(parts)
