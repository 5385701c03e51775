"""kface: from a K-Face tree to faces, crops, templates and scores."""

import os

# From 1.29 on ONNX Runtime reports each opened network to its maker, and stores a device ID in the home directory, unless this
# is set before it is imported; setting it to 0 allows that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
