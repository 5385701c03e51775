"""kface: from a K-Face tree to faces, crops, templates and scores."""

import os

# From 1.29 on ONNX Runtime tells its maker about each network that it opens, and keeps a device's ID in the home
# directory, unless this is set before it is imported. Whoever wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
