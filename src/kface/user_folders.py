"""The user's own folders, as the XDG base directory specification names them; ``kface`` has one in each."""

import os
from pathlib import Path

#: Kind of folder: the environment's variable that names it, and where it is by default.
FOLDERS = {
    "cache": ("XDG_CACHE_HOME", "~/.cache"),
    "config": ("XDG_CONFIG_HOME", "~/.config"),
    "data": ("XDG_DATA_HOME", "~/.local/share"),
    "state": ("XDG_STATE_HOME", "~/.local/state"),
}


def user_folder(kind: str) -> Path:
    """Return kface's folder of a kind, one of :data:`FOLDERS`; it is not made."""
    variable, default = FOLDERS[kind]
    return Path(os.environ.get(variable) or os.path.expanduser(default)) / "kface"
