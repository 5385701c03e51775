"""The detector on each of its implementations, for tests that hold for all of them."""

import pytest

from kface.errors import ConfigError, ModelError
from kface.mtcnn import Detector
from kface.mtcnn.stages import NATIVE


def cascades():
    """Return the runtimes to try: the compiled kernels, and the runtime that takes their place where they are not built."""
    return [NATIVE, "onnxruntime"]


def cascade(runtime, **settings):
    """Return a detector on a runtime; skips where it, or the networks, are not here."""
    try:
        return Detector(runtime=runtime, **settings)
    except (ConfigError, ModelError) as error:
        return pytest.skip(f"the detector cannot run here: {error}")
