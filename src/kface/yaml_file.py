"""Settings in a plain YAML file. Adapts PyYAML, which is imported when a file is read."""

import codecs
import os
from typing import Any, Dict, Optional, Tuple, Union

from kface.errors import ConfigError
from kface.files import open_regular

PathLike = Union[str, "os.PathLike[str]"]

_LARGEST_FILE = 1 << 20


def library(where: Optional[object] = None) -> Any:
    """Return PyYAML; raises ConfigError where it is absent."""
    try:
        import yaml
    except ImportError:
        raise ConfigError("reading settings needs PyYAML", where, "install PyYAML (apt install python3-yaml)")
    return yaml


def parse(text: str, where: object) -> Any:
    """Return the value that a YAML text represents.

    Raises:
        ConfigError: It is not YAML, or PyYAML is absent. The line is named but not quoted: it may contain a password.
    """
    yaml = library(where)
    try:
        return yaml.safe_load(text)
    # For an impossible date or too deep a nesting PyYAML raises other errors than its own.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError("is not YAML{}".format("" if mark is None else ", line {}".format(mark.line + 1)), where)


def read(path: PathLike, needed: str) -> Tuple[Dict[str, Any], int]:
    """Return the settings of a YAML file (an empty file has none), and the file's mode.

    Args:
        path: The file.
        needed: What the file must have, for the error.

    Raises:
        ConfigError: It cannot be read, is too large, is not YAML or lacks sections, or PyYAML is absent.
    """
    library(path)
    try:
        with open_regular(path) as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(_LARGEST_FILE + 1)
        # YAML is UTF-8, or UTF-16 with a byte order mark, as editors on Windows write it.
        marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if marked else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("cannot be read ({})".format(getattr(error, "strerror", None) or error), path)
    if len(data) > _LARGEST_FILE:
        raise ConfigError("is too large to be a file of settings", path)
    document = parse(text, path)
    document = {} if document is None else document
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise ConfigError(needed, path)
    return document, mode
