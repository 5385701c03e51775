"""Where the settings come from: Hydra's ``conf/deploy.yaml`` on a workstation, one plain YAML file on a board."""

import os
import re
import stat
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from kface.errors import ConfigError
from kface.streams.credentials import MASK, mask

PathLike = Union[str, "os.PathLike[str]"]

STAGE = "deploy"
#: What must not be given as an argument: every user of the machine can read those.
SECRETS = ("stream.password",)
_LARGEST_FILE = 1 << 20
#: A URI with a password in it.
_OPEN_URI = r"(?i)rtsp://[^/?#\s]*:[^/?#\s]*@"


def resolve(overrides: Sequence[str] = (), file: Optional[PathLike] = None) -> Dict[str, Any]:
    """Return the settings as nested dictionaries, for :meth:`deploy.settings.DeploySettings.from_mapping`.

    Args:
        overrides: ``key=value`` each; with Hydra ``group=choice`` as well.
        file: A plain YAML file in place of ``conf/deploy.yaml``; needs PyYAML, not Hydra.

    Raises:
        ConfigError: An override or the file cannot be used, or a password is given where others can read it.
    """
    for override in overrides:
        _refuse_secret(override)
    return read_file(file, overrides) if file is not None else _compose(overrides)


def read_file(file: PathLike, overrides: Sequence[str] = ()) -> Dict[str, Any]:
    """Read a plain YAML file and apply overrides.

    Raises:
        ConfigError: See :func:`resolve`.
    """
    yaml = _yaml()
    document = _document(file)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not re.match(r"[a-z_]+(\.[a-z_]+)*\Z", key):
            raise ConfigError("is no setting", ascii(key), "write key=value")
        try:
            # Standard output, which YAML would take for a list.
            value = text if text == "-" else yaml.safe_load(text)
        except _not_yaml(yaml):
            raise ConfigError("the value is not YAML", key, "quote it")
        _set(document, key.split("."), value, key)
    return document


def write_file(settings: Mapping[str, Any]) -> str:
    """Return settings as the text that :func:`read_file` reads; raises ConfigError where PyYAML is absent."""
    text: str = _yaml().safe_dump(dict(settings), default_flow_style=None, allow_unicode=True)
    return text


def masked(settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Return settings as they may be shown: with stars, which no stream takes, in place of passwords."""
    shown = dict(settings)
    stream = shown.get("stream")
    if isinstance(stream, dict) and stream.get("password"):
        shown["stream"] = dict(stream, password=MASK)
    if isinstance(shown.get("source"), str):
        shown["source"] = mask(shown["source"])
    return shown


def _compose(overrides: Sequence[str]) -> Dict[str, Any]:
    from kface import stage

    try:
        from omegaconf import OmegaConf
        from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
    except ImportError:
        raise ConfigError("needs the hydra-core package", "conf/deploy.yaml", "install it, or give --config FILE")
    config = stage.compose(STAGE, list(overrides))
    try:
        made = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = getattr(error, "full_key", None) or str(error)
        raise ConfigError("is not given", key, "give {}=VALUE".format(key))
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0], "conf/deploy.yaml")
    return {str(key): value for key, value in dict(made).items()}  # type: ignore[arg-type]


def _refuse_secret(override: str) -> None:
    key, equals, value = override.lstrip("+").partition("=")
    name = key.strip()
    # A whole section may be given at once, and a URI without a name.
    if name in SECRETS or (name == "stream" and "password" in value) or re.search(_OPEN_URI, override):
        raise ConfigError(
            "the password must not be an argument, which everybody on this machine can read",
            name if equals else None,
            "set KFACE_STREAM_ID and KFACE_STREAM_PASSWORD, or KFACE_STREAM_CREDENTIALS",
        )


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise ConfigError("reading settings needs PyYAML", None, "install it (apt install python3-yaml)")
    return yaml


def _not_yaml(yaml: Any) -> Tuple[Any, ...]:
    """Return what PyYAML raises: a date that there is not and too deep a nesting are none of its own errors."""
    return (yaml.YAMLError, ValueError, RecursionError)


def _document(file: PathLike) -> Dict[str, Any]:
    yaml = _yaml()
    path = os.fspath(file)
    try:
        with open(path, encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read(_LARGEST_FILE + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("cannot be read ({})".format(getattr(error, "strerror", None) or error), path)
    if len(text) > _LARGEST_FILE:
        raise ConfigError("is too large to be a file of settings", path)
    try:
        document = yaml.safe_load(text)
    except _not_yaml(yaml) as error:
        # The error's own text quotes the line, which may hold a password.
        mark = getattr(error, "problem_mark", None)
        raise ConfigError("is not YAML{}".format("" if mark is None else ", line {}".format(mark.line + 1)), path)
    document = {} if document is None else document
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise ConfigError("must hold settings, such as source: csi://0", path)
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and _holds_secret(document):
        raise ConfigError("holds a password and may be read by others", path, "chmod 600 " + path)
    return document


def _holds_secret(document: Mapping[str, Any]) -> bool:
    stream = document.get("stream")
    if isinstance(stream, dict) and stream.get("password"):
        return True
    return bool(re.search(_OPEN_URI, str(document.get("source") or "")))


def _set(document: Dict[str, Any], keys: List[str], value: Any, whole: str) -> None:
    for key in keys[:-1]:
        inner = document.get(key)
        if inner is None:
            inner = document[key] = {}
        if not isinstance(inner, dict):
            raise ConfigError("{} has no settings of its own".format(key), whole)
        document = inner
    if isinstance(document.get(keys[-1]), dict) and not isinstance(value, dict):
        raise ConfigError(
            "has settings of its own",
            whole,
            "give one of them, such as {}.{}=".format(whole, next(iter(document[keys[-1]]), "key")),
        )
    document[keys[-1]] = value
