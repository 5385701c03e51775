"""Starts TensorFlow without the lines that it writes before its log settings are read."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def start_quietly() -> None:
    """Import TensorFlow; call this before whatever imports it otherwise.

    What anything writes to file descriptor 2 meanwhile is lost; an exception is not.
    """
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
