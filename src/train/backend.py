"""Imports TensorFlow without the lines that it writes before its log settings are read."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def _import_quietly() -> None:
    """Keep file descriptor 2 away from TensorFlow's C++ code while it starts; Python's own messages still get through."""
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


_import_quietly()
