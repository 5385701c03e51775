"""Attack: damaged and hostile image files against ``decode_image``. ``python tests/attack/image_mutations.py SEED COUNT``."""

import os
import random
import struct
import sys
import tempfile
import time

import cv2
import numpy as np

from kface.errors import ImageError
from kface.images import decode_image

#: Sizes and counts that break readers which trust them.
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 30000, 65500)
#: A picture of a few kilobytes that takes longer is a failure.
SECONDS = 20.0


def seeds(rng):
    """Return whole files of every format that this OpenCV writes, and a few that it only reads."""
    picture = np.array([rng.randrange(256) for _ in range(40 * 48 * 3)], np.uint8).reshape(40, 48, 3)
    picture = cv2.GaussianBlur(picture, (5, 5), 0)
    grey, alpha = picture[:, :, 0], np.dstack([picture, picture[:, :, :1]])
    wanted = [(".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2])]
    wanted += [
        (suffix, image, [])
        for suffix in (".jpg", ".png", ".bmp", ".webp", ".tif", ".gif", ".avif", ".jp2", ".ppm", ".pbm", ".ras", ".pam")
        for image in (picture, grey, alpha)
    ]
    wanted += [(suffix, picture.astype(np.uint16) * 16, []) for suffix in (".png", ".tif", ".jp2", ".ppm")]
    wanted += [(suffix, picture.astype(np.float32) / 255, []) for suffix in (".tif", ".hdr", ".pfm")]
    found = []
    for suffix, image, options in wanted:
        try:
            done, data = cv2.imencode(suffix, image, options)
        except cv2.error:
            continue
        if done:
            found.append(np.asarray(data).tobytes())
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    found.append(found[0][:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + found[0][2:])
    return found


def mutated(data, others, rng):
    """Return a file with one to three things wrong."""
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(8)
        # Headers are where the lies are: half of all damage goes into the first 64 bytes.
        place = rng.randrange(min(len(data), 64) if rng.random() < 0.5 else len(data))
        if kind == 0:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place:] = b""
        elif kind == 2:
            form = rng.choice(("<H", ">H", "<I", ">I"))
            number = rng.choice(NUMBERS) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
            data[place : place + struct.calcsize(form)] = struct.pack(form, number)
        elif kind == 3:
            data[place : place + rng.randrange(1, 64)] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 64)))
        elif kind == 4:
            data[place : place + rng.randrange(1, 64)] = b""
        elif kind == 5:
            piece = data[place : place + rng.randrange(1, 64)]
            data[place:place] = piece * rng.randrange(1, 5)
        elif kind == 6:
            other = rng.choice(others)
            data[place:] = other[rng.randrange(len(other)) :]
        else:
            data += bytes(rng.randrange(256) for _ in range(rng.randrange(1, 200)))
        if not data:
            return b"\0"
    return bytes(data)


def campaign(seed, count):
    """Decode `count` damaged files.

    A file fails that raises anything but an ImageError of one line, decodes to something else than uint8 (h, w, 3), takes
    longer than 20 s, or lets a decoder write to standard error.

    Args:
        seed: Same seed, same files (with the same OpenCV).
        count: How many.

    Returns:
        How many were tried, and what was wrong with those that failed, as texts.
    """
    rng = random.Random(seed)
    failed = []
    with tempfile.TemporaryFile() as heard:
        before = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            # What this OpenCV does not write, it says here as well.
            originals = seeds(rng)
            heard.seek(0)
            heard.truncate()
            for number in range(count):
                data = mutated(rng.choice(originals), originals, rng)
                fault = _fault(data)
                heard.seek(0)
                noise = heard.read()
                heard.seek(0)
                heard.truncate()
                fault = fault or (noise and f"printed {noise[:200]!r}")
                if fault:
                    failed.append(f"file {number} of seed {seed}: {fault}")
        finally:
            os.dup2(before, 2)
            os.close(before)
    return count, failed


def _fault(data):
    began = time.time()
    try:
        image = decode_image(data)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            return f"decoded to {image.dtype} {image.shape}"
    except ImageError as error:
        if "\n" in str(error):
            return "more than one line"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"took {time.time() - began:.0f} s" if time.time() - began > SECONDS else None


if __name__ == "__main__":
    tried, bad = campaign(int(sys.argv[1]), int(sys.argv[2]))
    print(*bad, f"image mutations: {tried} tried, {len(bad)} failed", sep="\n")
    sys.exit(1 if bad else 0)
