"""The detector on each of its implementations, for tests that hold for all of them."""

import pytest

from kface.errors import ConfigError, ModelError
from kface.mtcnn import Detector
from kface.mtcnn.stages import NATIVE


def cascades():
    """Return what to try: the compiled kernels; a runtime that they serve; and a runtime where they are not built."""
    return [NATIVE, "onnxruntime", "onnxruntime alone"]


def cascade(runtime, **settings):
    """Return a detector on a runtime; skips where it, or the networks, are not here."""
    name, _, alone = runtime.partition(" ")
    try:
        made = Detector(runtime=name, **settings)
        if alone:
            made._stages._kernels = None
        return made
    except (ConfigError, ModelError) as error:
        return pytest.skip(f"the detector cannot run here: {error}")
