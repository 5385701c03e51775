"""The folders ``kface`` in the user's base directories, as the XDG base directory specification defines them."""

import os
from pathlib import Path

#: By kind of folder: the environment variable that names its parent, and the default.
FOLDERS = {
    "cache": ("XDG_CACHE_HOME", "~/.cache"),
    "config": ("XDG_CONFIG_HOME", "~/.config"),
    "data": ("XDG_DATA_HOME", "~/.local/share"),
    "state": ("XDG_STATE_HOME", "~/.local/state"),
}


def user_folder(kind: str) -> Path:
    """Return kface's folder of a kind, one of :data:`FOLDERS`, without creating it."""
    variable, default = FOLDERS[kind]
    return Path(os.environ.get(variable) or os.path.expanduser(default)) / "kface"
