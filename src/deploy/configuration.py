"""Where the settings come from: Hydra's ``conf/deploy.yaml`` on a workstation, one plain YAML file on a board."""

import os
import re
import stat
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from kface import yaml_file
from kface.errors import ConfigError
from kface.overrides import home, is_text
from kface.redaction import MASK, holds_password, redact, redact_path, redact_source
from kface.text import first_line

PathLike = Union[str, "os.PathLike[str]"]

STAGE = "deploy"
#: What must not be given as an argument: every user of the machine can read those.
SECRETS = ("stream.password",)


def resolve(overrides: Sequence[str] = (), file: Optional[PathLike] = None) -> Dict[str, Any]:
    """Return the settings as nested dictionaries, for :meth:`deploy.settings.DeploySettings.from_mapping`.

    Args:
        overrides: ``key=value`` each; with Hydra ``group=choice`` as well.
        file: A plain YAML file in place of ``conf/deploy.yaml``, which needs PyYAML and not Hydra; or a directory with
            further choices for the groups (``stream/door.yaml`` is ``stream=door``), which needs Hydra.

    Raises:
        ConfigError: An override or the file cannot be used, or a password is given where others can read it.
    """
    for override in overrides:
        _refuse_secret(override)
    if file is not None and not os.path.isdir(str(file)):
        return read_file(file, overrides)
    return _compose(overrides, file)


def read_file(file: PathLike, overrides: Sequence[str] = ()) -> Dict[str, Any]:
    """Read a plain YAML file and apply overrides.

    Raises:
        ConfigError: See :func:`resolve`.
    """
    document = _document(file)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not re.match(r"[a-z_]+(\.[a-z_]+)*\Z", key):
            raise ConfigError("is not a setting", ascii(key), "write key=value")
        try:
            # File names hold what YAML has other uses for, as they do with Hydra.
            literal = (
                text.strip() and is_text(key, text) and not (len(text) > 1 and text[0] == text[-1] and text[0] in "'\"")
            )
            value = home(text) if literal else yaml_file.parse(text, key)
        except ConfigError:
            raise ConfigError("the value is not YAML", key, "quote it")
        _set(document, key.split("."), value, key)
    return document


def write_file(settings: Mapping[str, Any]) -> str:
    """Return settings as the text that :func:`read_file` reads; raises ConfigError where PyYAML is absent."""
    text: str = yaml_file.library().safe_dump(dict(settings), default_flow_style=None, allow_unicode=True)
    return text


def masked(settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Return settings as they may be shown: with stars, which no stream takes, in place of what is secret."""
    shown: Dict[str, Any] = _redacted(dict(settings))
    stream = settings.get("stream")
    if isinstance(stream, Mapping):
        if stream.get("password"):
            shown["stream"]["password"] = MASK
        if isinstance(stream.get("path"), str):
            shown["stream"]["path"] = redact_path(stream["path"])
    if isinstance(settings.get("source"), str):
        shown["source"] = redact_source(settings["source"])
    return shown


def _redacted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _redacted(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(one) for one in value]
    return redact(value) if isinstance(value, str) else value


def _compose(overrides: Sequence[str], directory: Optional[PathLike] = None) -> Dict[str, Any]:
    from kface import stage

    try:
        import hydra  # noqa: F401
        from omegaconf import OmegaConf
        from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
    except ImportError:
        raise ConfigError("needs the hydra-core package", "conf/deploy.yaml", "install it, or give --config FILE")
    own, _ = stage.own_configuration([] if directory is None else ["--config", str(directory)])
    config = stage.compose(STAGE, list(overrides), own)
    try:
        made = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = getattr(error, "full_key", None) or str(error)
        raise ConfigError("is not given", key, "give {}=VALUE".format(key))
    except OmegaConfBaseException as error:
        raise ConfigError(first_line(error), "conf/deploy.yaml")
    return {str(key): value for key, value in dict(made).items()}  # type: ignore[arg-type]


def _refuse_secret(override: str) -> None:
    key, equals, value = override.lstrip("+").partition("=")
    name = key.strip()
    # A whole section may be given at once, and a URI without a name.
    if name in SECRETS or (name == "stream" and "password" in value) or holds_password(value if equals else override):
        raise ConfigError(
            "the password must not be an argument, which everybody on this machine can read",
            name if equals else None,
            "set KFACE_STREAM_ID and KFACE_STREAM_PASSWORD, or KFACE_STREAM_CREDENTIALS",
        )


def _document(file: PathLike) -> Dict[str, Any]:
    document, mode = yaml_file.read(file, "must hold settings, such as source: csi://0")
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and _holds_secret(document):
        raise ConfigError("holds a password and may be read by others", file, "chmod 600 {}".format(file))
    return document


def _holds_secret(document: Mapping[str, Any]) -> bool:
    stream = document.get("stream")
    if isinstance(stream, dict) and stream.get("password"):
        return True
    return holds_password(str(document.get("source") or ""))


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
