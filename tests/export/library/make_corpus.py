"""Write the fuzzers' first inputs: small pictures, templates and parts of bundles.

Usage: python tests/export/library/make_corpus.py DIRECTORY
"""

import json
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np


def images():
    """Yield a picture of a few pixels in each format that the library reads."""
    random = np.random.RandomState(0)
    colour = random.randint(0, 256, (9, 12, 3)).astype(np.uint8)
    for ending in (".jpg", ".png", ".bmp", ".ppm"):
        yield cv2.imencode(ending, colour)[1].tobytes()
    yield cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    for grey in (colour[..., 0], colour[..., 0].astype(np.uint16) * 257):
        yield cv2.imencode(".png", grey)[1].tobytes()
        yield cv2.imencode(".pgm", grey)[1].tobytes()
    yield cv2.imencode(".png", np.dstack([colour, colour[..., 0]]))[1].tobytes()
    yield b"P1 3 1\n101\n"
    yield b"P2 2 1 15\n3 15\n"
    yield b"P4 3 1\n\xa0"


def template(dimension, failed):
    """Return the bytes of a template; see kface.h."""
    embedding = np.zeros((dimension,), "<f4")
    embedding[0] = 0 if failed else 1
    head = b"KFACETPL" + struct.pack("<HHII", 1, failed, failed, dimension) + bytes(36)
    head += struct.pack("<I", zlib.crc32(embedding.tobytes()))
    return head + struct.pack("<I", zlib.crc32(head)) + embedding.tobytes()


def templates():
    """Yield pairs of templates behind the byte that says whether the fuzzer signs them."""
    for sign in (0, 1):
        for dimension in (1, 8):
            yield bytes([sign]) + template(dimension, 0) + template(dimension, 0)
            yield bytes([sign]) + template(dimension, 0) + template(dimension, 1)


def bundles():
    """Yield parts of bundles behind the byte that says which part it is."""
    file = {"sha256": "0" * 64, "bytes": 3, "role": "embedder", "format": "onnx", "precision": "fp32", "opset": 13}
    file.update(
        batch="dynamic", normalised=True, input="image", outputs=["embedding"], layout="NCHW", parity={"x": 0.5}
    )
    points = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    manifest = {
        "kind": "kface bundle", "schema": 1, "name": "얼굴", "created": "2024-05-06T07:08:09+00:00", "embedding": 8,
        "files": {"embedder.onnx": file}, "fingerprint": "0" * 64, "training": {}, "thresholds": None, "synthetic": True,
        "licence": "Apache-2.0", "provenance": [], "digest": "0" * 64, "template": {"name": "ArcFace", "points": points},
        "preprocessing": {"size": [112, 112], "colour": "RGB", "mean": 127.5, "divisor": 128.0},
    }  # fmt: skip
    yield b"\0" + json.dumps(manifest).encode()
    yield b"\x01detector:\n  min_face: 39.8 # pixels\n  thresholds: [0.6, 0.7, 0.8]\n  factor: 0.709\n  brighten: [clahe]\n"
    yield b"\x02\x08\x08\x3a\x0a\x0a\x08\x0a\x01x\x22\x03Add"
    yield b"\x03\x0a\x0b\x0a\x01a\x12\x06Conv2D"
    for schema, document in enumerate(golden_documents(), 1):
        yield bytes([3 + schema]) + json.dumps(document).encode()


def golden_documents():
    """Yield golden vectors of schema 1 and 2 of a bundle whose hashes are zeros; see docs/golden.md."""
    zeros, cosine = "0" * 64, {"fp32": 0.999, "fp16": 0.99, "int8": 0.9}
    common = {"embedder_sha256": zeros, "embeddings": [[0.6, 0.8]]}
    yield dict(common, schema=1, faces=1, size=112, pixels_sha256=zeros, tolerance=cosine)
    face = {
        "crop": 0,
        "score": 0.995,
        "box": [-1.5, 2, 30, 40.25],
        "landmarks": [[5, 8], [20, 8], [12, 15], [7, 22], [19, 22]],
    }
    pictures = [
        {"file": f"golden/picture{number}.png", "width": 64, "height": 48, "pixels_sha256": zeros, "faces": faces}
        for number, faces in enumerate(([face], []), 1)
    ]
    pairs = {"fp32": 0.05, "fp16": 1.0}
    yield dict(
        common,
        schema=2,
        crops={"file": "golden/faces.png", "count": 1, "size": 112, "pixels_sha256": zeros},
        detector={"manifest_sha256": zeros, "min_face": 20.0, "thresholds": [0.6, 0.7, 0.8], "factor": 0.709},
        pictures=pictures,
        tolerance={"cosine": cosine, "landmarks": pairs, "boxes": pairs, "scores": pairs, "crops": 0.5},
    )


def main():
    """Write them; returns the exit status."""
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    for name, inputs in (("image", images()), ("template", templates()), ("bundle", bundles())):
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (folder / str(number)).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
