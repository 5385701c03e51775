"""Networks with non-trivial weights."""

import numpy as np


def stir(network, images, seed=0):
    """Give a fresh network weights of a trained one's kind: nothing is zero or one, and images come out differently.

    Args:
        network: With BatchNormalization.
        images: float32 (n, 112, 112, 3), preprocessed.
    """
    random = np.random.default_rng(seed)
    for weight in network.weights:
        if "gamma" in weight.path:
            # Branches that add little to their shortcut: else depth magnifies rounding as no trained network does.
            most = 0.2 if "bn3" in weight.path or "project_bn" in weight.path else 0.8
            weight.assign(random.uniform(0.3 * most, most, weight.shape))
        elif "beta" in weight.path:
            weight.assign(random.normal(0, 0.2, weight.shape))
    normalisations = [layer for layer in network._flatten_layers() if hasattr(layer, "moving_mean")]
    momenta = [layer.momentum for layer in normalisations]
    for layer in normalisations:
        # The moving averages become those of the images at once: in training, no layer reads them.
        layer.momentum = 0.0
    network(images, training=True)
    for layer, momentum in zip(normalisations, momenta, strict=True):
        layer.momentum = momentum
    return network
