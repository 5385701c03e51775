"""A short video of a person of the synthetic sample."""

import cv2
import numpy as np
from deploy_fakes import write_film

from kface.data.sample.identity import Identity, generator, subject_names
from kface.data.sample.scene import Scene, develop

#: Of the video, width and height.
SIZE = (320, 180)


def write_sample_film(path):
    """Draw one view of the sample's first person, and write a few pictures of it; returns the path as a text."""
    view = Scene(Identity(subject_names(1, 0)[0], 0), 1, 1).view(7)
    portrait = develop(view, 1, generator(0, "film"), "High")
    height = SIZE[1]
    width = int(round(portrait.shape[1] * height / float(portrait.shape[0])))
    picture = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    left = (SIZE[0] - width) // 2
    picture[:, left : left + width] = cv2.resize(portrait, (width, height), interpolation=cv2.INTER_AREA)
    return str(write_film(path, [picture] * 5))
