"""The losses in plain numpy, float64, row by row and pair by pair as the papers write them; gradients by central differences.

:mod:`train.losses` is compared with these. They share nothing with it but the settings.
"""

import math

import numpy as np

CLIP = 1e-3


def unit(vectors, axis):
    norms = np.linalg.norm(vectors, axis=axis, keepdims=True)
    return np.where(norms < 1e-6, 0.0, vectors / np.maximum(norms, 1e-6))


def cosines_of(embeddings, kernel, sub_centres=1):
    """Return (n, classes), of the nearest sub-centre, clipped."""
    cosines = unit(embeddings, 1) @ unit(kernel, 0)
    classes = kernel.shape[1] // sub_centres
    nearest = [cosines[:, c * sub_centres : (c + 1) * sub_centres].max(axis=1) for c in range(classes)]
    return np.clip(np.stack(nearest, 1), -1 + CLIP, 1 - CLIP)


def arc(theta, m):
    """cos(theta + m), and the line that continues it beyond pi."""
    return math.cos(theta + m) if theta + m <= math.pi else math.cos(theta) - 1 + math.cos(m)


def quality(norms, mean, std, h):
    """AdaFace's z of each row."""
    return [min(1.0, max(-1.0, (min(100.0, max(1e-3, a)) - mean) / ((std + 1e-3) / h))) for a in norms]


def target(loss, theta, margin, norm, z):
    """Return the true class' cosine with the margin, of one row."""
    if loss.name == "softmax":
        return math.cos(theta)
    if loss.name == "cosface" or (loss.name == "unpg" and loss.base == "cosface"):
        return math.cos(theta) - margin
    if loss.name == "adaface":
        angle = min(math.pi - CLIP, max(CLIP, theta - margin * z))
        return math.cos(angle) - (margin * z + margin)
    if loss.name == "magface":
        a = min(loss.norm_high, max(loss.norm_low, norm))
        slope = (loss.margin - loss.margin_low) / (loss.norm_high - loss.norm_low)
        return arc(theta, (margin / loss.margin) * (slope * (a - loss.norm_low) + loss.margin_low))
    return arc(theta, margin)


def pairs(embeddings, labels):
    """Return the cosines of the positive and of the negative pairs."""
    units = unit(embeddings, 1)
    both = ([], [])
    for i in range(len(labels)):
        for j in range(i + 1, len(labels)):
            both[int(labels[i] != labels[j])].append(float(units[i] @ units[j]))
    return both


def box_and_whiskers(values, r):
    ordered = sorted(values)
    if not ordered:
        return []
    q1, q3 = ordered[int(0.25 * len(ordered))], ordered[int(0.75 * len(ordered))]
    return [value for value in values if q1 - r * (q3 - q1) <= value <= q3 + r * (q3 - q1)]


def value(loss, embeddings, kernel, labels, scale, margin, smoothing=0.0, z=None):
    """Return the scalar that training minimises; ``z`` is AdaFace's, which no gradient flows through."""
    cosines = cosines_of(embeddings, kernel, loss.sub_centres)
    norms = np.maximum(np.linalg.norm(embeddings, axis=1), 1e-6)
    positive, negative = pairs(embeddings, labels)
    more = [scale * s for s in box_and_whiskers(negative, loss.whisker)] if loss.name == "unpg" else []
    rows = []
    for i, label in enumerate(labels):
        logits = scale * cosines[i]
        logits[label] = scale * target(
            loss, math.acos(cosines[i, label]), margin, norms[i], None if z is None else z[i]
        )
        total = np.logaddexp.reduce([*logits, *more])
        share = np.full(len(logits), smoothing / len(logits))
        share[label] += 1 - smoothing
        rows.append(float((share * (total - logits)).sum()))
    result = sum(rows) / len(rows)
    if loss.name == "magface":
        result += loss.weight * sum(g(a, loss.norm_low, loss.norm_high) for a in norms) / len(norms)
    if loss.name == "mixface" and positive:
        s2 = math.log(max(len(negative), 1)) + math.log(1 - loss.e) - math.log(loss.e)
        result += sum(math.log1p(sum(math.exp(s2 * (n - p)) for n in negative)) for p in positive) / len(positive)
    return result


def g(a, low, high):
    """MagFace's g(a) = 1 / a + a / u_a ** 2 between the limits, its tangents outside."""
    if a < low:
        return 1 / low + low / high**2 + (1 / high**2 - 1 / low**2) * (a - low)
    a = min(a, high)
    return 1 / a + a / high**2


def gradient(function, at, step=1e-6):
    """Return the derivatives of a scalar function with respect to every element of an array."""
    result = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[index] += step
        down[index] -= step
        result[index] = (function(up) - function(down)) / (2 * step)
    return result
