"""Pictures as other cameras take them elsewhere: mixed and coloured lights, other backgrounds, blur, noise, compression.

K-Face has one rig, one white balance and one sensor, so pictures drawn like it are alike in what no photograph outside of it
shares. What is varied here is drawn for each picture; the person does not change.
"""

from typing import List, Tuple

import cv2
import numpy as np

from kface.data.sample import camera
from kface.data.sample.lighting import LAMPS

#: What the sample's variation is multiplied by here: twice as much carries over no better and is harder to learn (ADR 23).
STRENGTH = 0.5


def lights(weights: np.ndarray, random: np.random.RandomState, variation: float) -> np.ndarray:
    """Mix other, coloured lamps into a light.

    Args:
        weights: float32 (lamps + 1,), of :func:`kface.data.sample.lighting.weights`.
        random: Draws the picture.
        variation: From 0 to 1.

    Returns:
        float32 (lamps + 1, 3): each lamp's power by colour; the total power is that of the light.
    """
    total = float(weights.sum())
    other = random.exponential(size=len(LAMPS)) ** 2 * (random.uniform(size=len(LAMPS)) < 0.4)
    room = random.uniform(0.15, 0.9)
    mixed = np.append((1 - room) * other / max(float(other.sum()), 1e-6), room) * total
    share = variation * random.uniform(0, 1)
    power = (1 - share) * weights + share * mixed
    # From a candle's colour to the sky's, around that of the white balance.
    warm = variation * 0.30 * random.standard_normal((len(power), 1))
    tint = np.exp(warm * np.array([[0.5, 0.0, -0.7]]) + variation * 0.05 * random.standard_normal((len(power), 3)))
    return (power[:, None] * tint).astype(np.float32)


def background(random: np.random.RandomState) -> np.ndarray:
    """Draw what is behind the person, out of focus: float32 (h, w, 3), linear RGB."""
    small = (camera.WIDTH // 8, camera.HEIGHT // 8)
    base = random.uniform(0.02, 0.9) * random.uniform(0.5, 1.0, 3)
    picture = np.broadcast_to(base, (small[1], small[0], 3)).astype(np.float32)
    for cells in (2, 5, 11):
        noise = random.standard_normal((cells, cells + 1, 3)).astype(np.float32)
        grey = noise.mean(axis=2, keepdims=True)
        wave = cv2.resize(0.4 * noise + 1.2 * grey, small, interpolation=cv2.INTER_CUBIC)
        picture = picture * np.exp(random.uniform(0, 0.6) * wave)
    picture = np.ascontiguousarray(picture)
    # Windows, doors, shelves, other people's clothes.
    for _ in range(int(random.randint(0, 9))):
        colour = random.uniform(0.0, 1.0) * random.uniform(0.4, 1.0, 3)
        x, y = int(random.randint(small[0])), int(random.randint(small[1]))
        wide, tall = int(random.randint(1, 20)), int(random.randint(1, 24))
        if random.randint(3):
            cv2.rectangle(picture, (x, y), (x + wide, y + tall), tuple(float(c) for c in colour), -1)
        else:
            cv2.ellipse(picture, (x, y), (wide, tall), 0, 0, 360, tuple(float(c) for c in colour), -1)
    large = cv2.resize(picture, (camera.WIDTH, camera.HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.clip(large, 0.0, 1.5)


def tone(picture: np.ndarray, random: np.random.RandomState, variation: float) -> np.ndarray:
    """Change white balance, exposure, gamma, contrast and saturation.

    Args:
        picture: float32 (h, w, 3), RGB from 0 to 1 with the display's gamma.
        random: Draws the picture.
        variation: From 0 to 1.
    """
    draws = variation * np.clip(random.standard_normal(8), -2.2, 2.2)
    grey_picture = random.uniform() < 0.08 * variation
    balance = np.exp(0.07 * draws[:3] + 0.14 * draws[3])
    picture = np.clip(picture, 0, 1) ** np.float32(np.exp(0.25 * draws[4]))
    # A row of pixels at once: NumPy is slow along an axis of three.
    rows = picture.reshape(len(picture), -1)
    rows *= np.tile(balance.astype(np.float32), picture.shape[1])
    middle = np.float32(picture.mean())
    picture -= middle
    picture *= np.float32(np.exp(0.2 * draws[5]))
    picture += middle
    grey = cv2.merge([picture @ np.array([0.299, 0.587, 0.114], np.float32)] * 3)
    saturation = 0.0 if grey_picture else float(np.clip(1 + 0.3 * draws[6], 0, 2))
    picture -= grey
    picture *= np.float32(saturation)
    picture += grey
    return np.clip(picture, 0, 1, out=picture)


def degrade(picture: np.ndarray, random: np.random.RandomState, variation: float) -> np.ndarray:
    """Blur, shake, shrink, add noise and compress.

    Args:
        picture: float32 (h, w, 3), RGB from 0 to 255, of the size in which pictures are rendered.
        random: Draws the picture.
        variation: From 0 to 1: the share of the pictures that are changed, and how much.
    """
    height, width = picture.shape[:2]
    chances = random.uniform(size=5) < variation * np.array([0.4, 0.12, 0.3, 0.6, 0.6])
    amounts = random.uniform(size=5)
    if chances[0]:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 + 1.6 * float(amounts[0]))
    if chances[1]:
        picture = cv2.filter2D(picture, -1, _shake(2 + 7 * float(amounts[1]), float(random.uniform(0, np.pi))))
    if chances[2]:
        share = 0.3 + 0.6 * float(amounts[2])
        small = cv2.resize(picture, (int(share * width), int(share * height)), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    if chances[3]:
        grain = random.standard_normal((height, width, 3)).astype(np.float32)
        if random.randint(2):
            grain = cv2.GaussianBlur(grain, (0, 0), 0.7) * 2
        picture = picture + 9 * float(amounts[3]) ** 2 * grain
    if chances[4]:
        quality = int(25 + 65 * amounts[4])
        rounded = np.clip(picture, 0, 255).astype(np.uint8)
        coded = cv2.imencode(".jpg", rounded, [int(cv2.IMWRITE_JPEG_QUALITY), quality])[1]
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.float32)
    return picture


def _shake(length: float, angle: float) -> np.ndarray:
    """Return the kernel of a camera that moved along a line: float32 (k, k), its sum 1."""
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    middle, half = side // 2, length / 2
    ends: List[Tuple[int, int]] = [
        (int(round(middle + sign * half * np.cos(angle))), int(round(middle + sign * half * np.sin(angle))))
        for sign in (-1, 1)
    ]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return kernel / kernel.sum()
