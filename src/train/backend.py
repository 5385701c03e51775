"""Imports TensorFlow without the lines that it prints before it reads its log settings."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def start_quietly() -> None:
    """Import TensorFlow; call this before another import does.

    Meanwhile, everything written to file descriptor 2 is discarded; exceptions are raised as usual.
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
