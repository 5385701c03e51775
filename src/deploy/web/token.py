"""The token that lets a browser or a command in: of the environment, or of a file that only its owner can read."""

import os
import secrets
from pathlib import Path
from typing import Optional, Union

from kface.errors import ConfigError
from kface.private_file import read_private, write_once
from kface.user_folders import user_folder

PathLike = Union[str, "os.PathLike[str]"]

#: Holds the token itself, or the name of the file that does.
ENVIRONMENT, FILE_ENVIRONMENT = "KFACE_WEB_TOKEN", "KFACE_WEB_TOKEN_FILE"
#: Signs of the shortest and the longest token.
SHORTEST, LONGEST = 16, 200


def default_token_file() -> Path:
    """Return where the token is kept: KFACE_WEB_TOKEN_FILE, or the user's state, ``~/.local/state/kface/web-token``."""
    named = os.environ.get(FILE_ENVIRONMENT)
    if named:
        return Path(named)
    return user_folder("state") / "web-token"


def find_token(file: Optional[PathLike] = None, create: bool = False) -> str:
    """Return the token: of the file that is asked for, else of KFACE_WEB_TOKEN, else of :func:`default_token_file`.

    A file keeps its token, so that a bookmark and a browser's session outlive a restart; without the file a new one is made.

    Args:
        file: A token file.
        create: Make the file, mode 0600, where there is none. For the server; a client has nothing to gain from that.

    Raises:
        ConfigError: There is no token, it is invalid, or its file may be read by others or cannot be used.
    """
    if file is None and os.environ.get(ENVIRONMENT):
        return check_token(os.environ[ENVIRONMENT], ENVIRONMENT)
    path = os.fspath(file if file is not None else default_token_file())
    if create and not os.path.lexists(path):
        _make(path)
    return _read(path)


def check_token(token: str, where: object) -> str:
    """Return a token without white space around it; the error does not show it.

    Raises:
        ConfigError: It is shorter than 16 signs, longer than 200, or holds others than printable ASCII signs without space.
    """
    token = token.strip()
    if not SHORTEST <= len(token) <= LONGEST:
        raise ConfigError(
            "a token must have {} to {} characters, not {}".format(SHORTEST, LONGEST, len(token)),
            where,
            "create one: python3 -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    if not all("!" <= sign <= "~" for sign in token):
        raise ConfigError("a token must consist of printable ASCII characters without spaces", where)
    return token


def _read(path: str) -> str:
    try:
        data = read_private(path, "token", "delete the file; the next start creates another", ConfigError)
    except FileNotFoundError:
        raise ConfigError(
            "no token", path, "start kface deploy first, or set {} or {}".format(ENVIRONMENT, FILE_ENVIRONMENT)
        )
    return check_token(data.decode("latin-1"), path)


def _make(path: str) -> None:
    """Write a new token, unless another process was first."""
    try:
        write_once(path, (secrets.token_urlsafe() + "\n").encode("ascii"))
    except OSError as error:
        raise ConfigError(
            "cannot write a token ({})".format(error.strerror or error),
            path,
            "set {} or {}".format(ENVIRONMENT, FILE_ENVIRONMENT),
        )
