"""Runs one stage (data set, training, evaluation, ...) from its Hydra configuration.

Adapts Hydra: nothing else in the package imports it. What a user can get wrong on the command line is answered in one
line with the choices, before the stage starts; a :class:`~kface.errors.KFaceError` inside it ends the same way. The
exit status is then 2.
"""

import difflib
import os
import sys
from pathlib import Path
from typing import Any, Callable, Iterable, List, Optional, Sequence

from kface.errors import ConfigError, KFaceError
from kface.overrides import literal
from kface.packages import absent
from kface.text import first_line


def configuration_directory() -> Path:
    """Return the directory of the Hydra configuration: KFACE_CONF, ./conf, or the checkout's.

    Raises:
        ConfigError: None of them is there.
    """
    named = os.environ.get("KFACE_CONF")
    choices = [Path(named)] if named else [Path(__file__).resolve().parents[2] / "conf", Path.cwd() / "conf"]
    for directory in choices:
        if directory.is_dir():
            return directory.resolve()
    raise ConfigError("the configuration directory is missing", choices[0], "run inside a checkout or set KFACE_CONF")


def compose(stage: str, overrides: Sequence[str] = ()) -> Any:
    """Compose the configuration of a stage.

    Args:
        stage: Name of a root file in ``conf/`` without its suffix, such as ``train``.
        overrides: Hydra overrides, such as ``backbone=mobilenetv2``.

    Returns:
        The composed ``omegaconf.DictConfig``.

    Raises:
        ConfigError: An unknown choice, key or value, with the choices there are.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    directory = configuration_directory()
    overrides = literal(overrides, _parses)
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(directory), version_base="1.3"):
            try:
                return hydra.compose(stage, overrides)
            except MissingConfigException as error:
                raise _unknown_choice(stage, error, directory)
            # Hydra has plain ValueErrors as well, for instance for detector=3.
            except (HydraException, OmegaConfBaseException, ValueError) as error:
                raise _unknown_key(stage, overrides, error)
    finally:
        GlobalHydra.instance().clear()


def run(stage: str, task: Callable[[Any], Optional[int]], argv: Optional[Sequence[str]] = None) -> int:
    """Run a stage with the command line's overrides and return the exit status.

    Hydra's own options work: ``--help``, ``--cfg job``, ``--multirun`` and so on.

    Args:
        stage: Name of a root file in ``conf/`` without its suffix.
        task: Takes the composed configuration.
        argv: Arguments after the program's name; by default those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        import hydra

        if not any(argument.startswith("-") for argument in arguments):
            compose(stage, arguments)
    except (KFaceError, ImportError) as error:
        return _end(stage, error)
    arguments = literal(arguments, _parses, sweep=bool({"-m", "--multirun"} & set(arguments)))

    status: List[int] = []
    defects: List[BaseException] = []

    def guarded(config: Any) -> None:
        try:
            status.append(task(config) or 0)
        except KeyboardInterrupt:
            print("{}: stopped; what was finished is kept".format(stage), file=sys.stderr)
            status.append(130)
        except Exception as error:
            try:
                status.append(_end(stage, error))
            except Exception:
                # Raised again outside Hydra, which would cut the traceback and end the process itself.
                defects.append(error)

    before = sys.argv
    sys.argv = ["python -m {}".format(stage)] + arguments
    try:
        hydra.main(version_base="1.3", config_path=str(configuration_directory()), config_name=stage)(guarded)()
    finally:
        sys.argv = before
    if defects:
        raise defects[0]
    return max(status) if status else 0


def instantiate(node: Any, key: str, **extra: Any) -> Any:
    """Make the object that a configuration node names by ``_target_``.

    Args:
        node: The node; its keys are the target's keyword arguments.
        key: The node's name in the configuration, for the error.
        extra: Further keyword arguments that only the program knows.

    Raises:
        ConfigError: The target cannot be found or does not take these values.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate as make

    try:
        return make(node, **extra)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, KFaceError):
            raise cause
        lacking = absent(error)
        if lacking is not None:
            raise lacking
        folder = configuration_directory() / key
        where = "conf/{}/".format(key) if folder.is_dir() else "{} in conf/*.yaml".format(key)
        raise ConfigError(first_line(cause or error), key, "compare with {}".format(where))


def _parses(override: str) -> bool:
    """Return whether Hydra can parse an override."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def _end(stage: str, error: Exception) -> int:
    """Print the one line of what a user can mend and return the exit status; anything else is raised again."""
    line = error if isinstance(error, KFaceError) else absent(error) if isinstance(error, ImportError) else None
    if line is None:
        raise error
    print("{}: {}".format(stage, line), file=sys.stderr)
    return 2


def _nearest(word: str, choices: Iterable[str]) -> List[str]:
    """Return the choices, those most like the word first."""
    choices = sorted(choices)
    near = difflib.get_close_matches(word, choices, n=3, cutoff=0.6)
    return near + [choice for choice in choices if choice not in near]


def _unknown_choice(stage: str, error: Any, directory: Path) -> ConfigError:
    missing = error.missing_cfg_file
    if not error.options or not missing or "/" not in missing:
        roots = [path.stem for path in directory.glob("*.yaml")]
        return ConfigError("there is no such stage", stage, "choose one of: {}".format(", ".join(sorted(roots))))
    group, _, choice = missing.rpartition("/")
    group = group.lstrip("/")
    return ConfigError(
        "there is no such choice",
        "{}={}".format(group, choice.replace(".yaml", "")),
        "choose one of: {}".format(", ".join(_nearest(choice, error.options))),
    )


def _unknown_key(stage: str, overrides: Sequence[str], error: Exception) -> ConfigError:
    """Find the override that does not fit, and say which keys there are in its place."""
    import hydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for number, override in enumerate(overrides):
        others = [other for index, other in enumerate(overrides) if index != number]
        try:
            parsed = OverridesParser.create().parse_override(override)
        except HydraException as fault:
            return ConfigError(first_line(fault), override, "write key=value")
        try:
            base = hydra.compose(stage, others)
        except (HydraException, OmegaConfBaseException, ValueError):
            continue
        key = parsed.key_or_group
        parent, _, last = key.rpartition(".")
        node = OmegaConf.select(base, parent) if parent else base
        if not isinstance(node, DictConfig):
            return ConfigError("there is no such key", override, "the keys are: {}".format(", ".join(sorted(base))))
        if last not in node:
            names = [str(name) for name in node if not str(name).startswith("_")]
            inside = " in {}".format(parent) if parent else ""
            return ConfigError(
                "there is no such key", override, "the keys{} are: {}".format(inside, ", ".join(_nearest(last, names)))
            )
        return ConfigError(first_line(error), override)
    return ConfigError(first_line(error), stage)
