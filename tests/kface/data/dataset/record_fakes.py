"""Writes RecordIO files by the format's description, with struct alone, and reads nothing."""

import struct

import numpy as np

from kface.images import encode_jpeg

MAGIC = struct.pack("<I", 0xCED7230A)


def record(payload):
    """One record; split where the payload holds the magic number at a multiple of four, as dmlc-core does."""
    parts, start = [], 0
    for place in range(0, len(payload) - 3, 4):
        if payload[place : place + 4] == MAGIC:
            parts.append(payload[start:place])
            start = place + 4
    parts.append(payload[start:])
    kinds = [0] if len(parts) == 1 else [1, *[2] * (len(parts) - 2), 3]
    return b"".join(
        MAGIC + struct.pack("<I", kind << 29 | len(part)) + part + b"\0" * (-len(part) % 4)
        for kind, part in zip(kinds, parts, strict=True)
    )


def labelled(labels, image=b"", key=0):
    """The payload of a record: one label stands in the header, several behind it."""
    if np.isscalar(labels):
        return struct.pack("<IfQQ", 0, labels, key, 0) + image
    return struct.pack("<IfQQ", len(labels), 0.0, key, 0) + struct.pack(f"<{len(labels)}f", *labels) + image


def write(folder, payloads, stem="train", keys=None):
    """Write ``train.rec`` and ``train.idx``; return the offsets."""
    folder.mkdir(parents=True, exist_ok=True)
    data, offsets = b"", []
    for payload in payloads:
        offsets.append(len(data))
        data += record(payload)
    (folder / f"{stem}.rec").write_bytes(data)
    keys = range(len(offsets)) if keys is None else keys
    lines = [f"{key}\t{offset}\n" for key, offset in zip(keys, offsets, strict=True)]
    (folder / f"{stem}.idx").write_text("".join(lines))
    return offsets


def insightface(people):
    """The payloads of a set as InsightFace distributes it: header, images, identities.

    Args:
        people: By label, the encoded images.
    """
    images, ranges = [], []
    for label, encoded in people.items():
        ranges.append((len(images) + 1, len(images) + 1 + len(encoded)))
        images += [labelled(float(label), image, len(images) + 1) for image in encoded]
    end = len(images) + 1
    identities = [labelled([float(a), float(b)], key=end + n) for n, (a, b) in enumerate(ranges)]
    return [labelled([float(end), float(end + len(ranges))]), *images, *identities]


def crops(count, seed=0, size=112):
    """Smooth pictures as JPEG."""
    random = np.random.default_rng(seed)
    return [
        encode_jpeg(np.kron(random.integers(0, 256, (7, 7, 3)), np.ones((size // 7, size // 7, 1))).astype(np.uint8))
        for _ in range(count)
    ]
