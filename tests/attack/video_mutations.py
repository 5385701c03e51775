"""Damaged videos: small clips that OpenCV wrote, changed by chance. Each gives frames or one line that says what is wrong.

Run by hand: python tests/attack/video_mutations.py [SEED [COUNT]]
"""

import os
import random
import sys
import tempfile
import time

import cv2
import numpy as np

from kface.errors import KFaceError
from kface.streams import StreamSettings, VideoFile
from kface.streams.backends import build, silence
from kface.streams.container import inspect

#: Container and codec of the clips, as far as this OpenCV writes them.
CLIPS = (
    ("avi", "MJPG"),
    ("avi", "mp4v"),
    ("avi", "mpg2"),
    ("avi", "FFV1"),
    ("mp4", "mp4v"),
    ("mov", "mp4v"),
    ("mkv", "mp4v"),
    ("webm", "VP80"),
    ("ts", "mpg2"),
    ("mpg", "mpg2"),
    ("flv", "FLV1"),
    ("wmv", "WMV2"),
)
FRAMES, SIDE = 8, 64
#: A clip of eight small frames takes milliseconds; whoever takes longer has lost its way.
SECONDS = 20.0


def campaign(seed, count):
    """Read damaged videos.

    Args:
        seed: What the damage follows from.
        count: How many.

    Returns:
        (tried, failed): how many were read, and what was wrong with those that gave neither frames nor a KFaceError of one
        line, as texts.
    """
    # FFmpeg takes its level when it is first used, and that is here to write.
    silence(build())
    chance = random.Random(seed)
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        clips = _clips(folder)
        for number in range(count):
            ending, data = chance.choice(clips)
            path = os.path.join(folder, "mutation." + ending)
            with open(path, "wb") as stream:
                stream.write(_mutated(data, chance))
            begun = time.monotonic()
            wrong = _read(path, chance)
            took = time.monotonic() - begun
            if wrong is None and took > SECONDS:
                wrong = f"took {took:.0f} s"
            if wrong is not None:
                failed.append(f"{number} of seed {seed} ({ending}): {wrong}")
    return count, failed


def _clips(folder):
    chance = np.random.RandomState(0)
    # Something that stays, and something that compresses badly.
    frames = [np.full((SIDE, SIDE, 3), (30 * n, 90, 200 - 20 * n), np.uint8) for n in range(FRAMES)]
    for frame in frames:
        frame[:24] = chance.randint(0, 256, (24, SIDE, 3))
    found = []
    for ending, codec in CLIPS:
        path = os.path.join(folder, "clip." + ending)
        writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 25.0, (SIDE, SIDE))
        if writer.isOpened():
            for frame in frames:
                writer.write(frame)
            writer.release()
            with open(path, "rb") as stream:
                found.append((ending, stream.read()))
    if not found:
        raise KFaceError("this OpenCV writes no videos", None, "use one with FFmpeg")
    return found


def _mutated(data, chance):
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        if not data:
            break
        # Headers and indexes are small, and worth more than their share.
        end = chance.choice((64, 512, len(data), len(data)))
        place = (
            chance.randrange(min(end, len(data)))
            if chance.random() < 0.8
            else max(0, len(data) - chance.randint(1, 600))
        )
        kind = chance.randrange(7)
        if kind == 0:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[place : place + 4] = bytes(chance.choice((0, 0xFF, 0x7F, 0x80)) for _ in range(4))
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            length = chance.randint(1, 2000)
            data[place : place + length] = bytes(min(length, len(data) - place))
        elif kind == 4:
            data[place:place] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 64)))
        elif kind == 5:
            del data[place : place + chance.randint(1, 300)]
        else:
            other = chance.randrange(len(data))
            data[place : place + 200] = data[other : other + 200]
    return bytes(data)


def _read(path, chance):
    """Return what is wrong with how a video is read, None where nothing is."""
    frames = 0
    try:
        inspect(path)
        resolution = chance.choice((None, None, (32, 32)))
        with VideoFile(StreamSettings("file", file=path, resolution=resolution)) as video:
            for frame in video:
                frames += 1
                image = frame.image
                if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                    return f"frame {frame.number} is no picture: {image.dtype} {image.shape}"
                if frames > 100 * FRAMES:
                    break
            if video.shortfall is not None and "\n" in str(video.shortfall):
                return "the shortfall is not one line"
    except KFaceError as error:
        line = str(error)
        return f"not one line: {line!r}" if "\n" in line or not line.isprintable() else None
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None if frames else "neither frames nor an error"


def main(arguments):
    """Run the campaign and print its counts; the exit status is 1 where something failed."""
    seed, count = (int(word) for word in (arguments + ["1", "200"][len(arguments) :]))
    tried, failed = campaign(seed, count)
    print(f"video mutations: {tried} tried, {len(failed)} failed (seed {seed})")
    for line in failed:
        print("  " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
