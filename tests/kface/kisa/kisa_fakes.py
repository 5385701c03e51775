"""Small data bases in KISA's form, of images that are cheap to make."""

import numpy as np

from kface.images import encode_jpeg
from kface.kisa.conditions import CONDITIONS
from kface.kisa.naming import file_name


def jpeg(number=0, size=(640, 480)):
    """Return a JPEG file of one colour that is different for each number."""
    colour = [(37 * number) % 256, (91 * number) % 256, (151 * number) % 256]
    return encode_jpeg(np.full((size[1], size[0], 3), colour, np.uint8), 70)


def write_folder(root, people=("ann", "bob"), conditions=CONDITIONS, size=(640, 480)):
    """Write every condition of some people in the naming of the folder source."""
    for place, person in enumerate(people):
        (root / person).mkdir(parents=True)
        for found in conditions:
            (root / person / file_name(found)).write_bytes(jpeg(20 * place + found.place, size))
    return root
