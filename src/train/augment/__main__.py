"""``python -m train.augment``: draws every augmentation on faces of the data set; configured by ``conf/train.yaml``."""

import sys

from kface import stage
from train.augment.sheet import main

if __name__ == "__main__":
    sys.exit(stage.run("train", main))
