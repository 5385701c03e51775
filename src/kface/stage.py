"""Runs one stage (data set, training, evaluation, ...) from its Hydra configuration.

Adapts Hydra: nothing else in the package imports it. What a user can get wrong on the command line is answered in one
line with the choices, before the stage starts; a :class:`~kface.errors.KFaceError` inside it ends the same way. The
exit status is then 2.
"""

import difflib
import sys
from pathlib import Path
from typing import Any, Callable, Iterable, List, Optional, Sequence, Tuple

from kface.commands import conf
from kface.commands.conf import configuration_directory
from kface.commands.table import COMMANDS
from kface.errors import ConfigError, KFaceError
from kface.overrides import literal, quote
from kface.packages import absent
from kface.text import first_line

HELP = ("-h", "--help")
#: What Hydra takes besides settings; ``--config`` is ours.
OPTIONS = HELP + (
    "--config", "--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--cfg", "-c", "--resolve", "--package",
    "-p", "--run", "-r", "--multirun", "-m", "--shell-completion", "-sc", "--info", "-i", "--hydra-help", "--version",
    "--experimental-rerun",
)  # fmt: skip


def places(own: Optional[Path] = None) -> List[Path]:
    """Return the directories of the configuration: the packaged one, and the user's own behind it."""
    return [configuration_directory()] + ([] if own is None else [own])


def page(name: str, arguments: Sequence[str] = ()) -> str:
    """Return the manual page of a command that Hydra runs, with the choices of the user's own configuration.

    Raises:
        ConfigError: See :func:`own_configuration`.
    """
    from kface.commands.manual import stage_page

    own, _ = own_configuration([word for word in arguments if word not in HELP])
    return stage_page(name, places(own))


def own_configuration(arguments: Sequence[str]) -> Tuple[Optional[Path], List[str]]:
    """Return the directory that ``--config DIR`` (or Hydra's ``--config-dir``) names, and the other arguments.

    Its files are choices beside the packaged ones: ``DIR/experiment/mine.yaml`` is ``experiment=mine``.

    Raises:
        ConfigError: It is missing, or has a file of the same name as a packaged one, which Hydra would silently prefer.
    """
    rest: List[str] = []
    found = None
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if option not in ("--config", "--config-dir", "-cd"):
            rest.append(word)
            continue
        given = value if equals else next(words, "")
        if not given:
            raise ConfigError("names no directory", option, "give {} DIR".format(option))
        found = Path(given).expanduser()
        if not found.is_dir():
            raise ConfigError("is not a directory", given, "give one with files such as experiment/mine.yaml")
        found = found.resolve()
        twin = conf.clash(found, configuration_directory())
        if twin is not None:
            raise ConfigError("kface has a file of this name", found / twin, "give yours another name")
    return found, rest


def compose(stage: str, overrides: Sequence[str] = (), own: Optional[Path] = None) -> Any:
    """Compose the configuration of a stage.

    Args:
        stage: Name of a root file in ``conf/`` without its suffix, such as ``train``.
        overrides: Hydra overrides, such as ``backbone=mobilenetv2``.
        own: A directory with further choices; see :func:`own_configuration`.

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
    if own is not None:
        overrides = ["hydra.searchpath=[{}]".format(quote("file://{}".format(own)))] + list(overrides)
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


def run(
    stage: str,
    task: Callable[[Any], Optional[int]],
    argv: Optional[Sequence[str]] = None,
    name: Optional[str] = None,
    extra: Optional[str] = None,
) -> int:
    """Run a stage with the command line's overrides and return the exit status.

    ``--config DIR`` adds a directory of configuration files; ``--help`` prints the manual page; Hydra's own options work:
    ``--cfg job``, ``--multirun`` and so on.

    Args:
        stage: Name of a root file in ``conf/`` without its suffix.
        task: Takes the composed configuration.
        argv: Arguments after the program's name; by default those of the process.
        name: What its lines begin with, where it is not the stage's name.
        extra: See :func:`kface.packages.absent`.
    """
    name = name or stage
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        if set(HELP) & set(given) and name in COMMANDS:
            print(page(name, given), end="")
            return 0
        own, arguments = own_configuration(given)
        _check_options(name, arguments)
        import hydra

        if not any(argument.startswith("-") for argument in arguments):
            compose(stage, arguments, own)
    except (KFaceError, ImportError) as error:
        return _end(name, error, extra)
    arguments = literal(arguments, _parses, sweep=bool({"-m", "--multirun"} & set(arguments)))
    if own is not None:
        arguments = ["--config-dir", str(own)] + arguments

    status: List[int] = []
    defects: List[BaseException] = []

    def guarded(config: Any) -> None:
        try:
            status.append(task(config) or 0)
        except KeyboardInterrupt:
            print("{}: stopped; what was finished is kept".format(name), file=sys.stderr)
            status.append(130)
        except Exception as error:
            try:
                status.append(_end(name, error, extra))
            except Exception:
                # Raised again outside Hydra, which would cut the traceback and end the process itself.
                defects.append(error)

    before = sys.argv
    sys.argv = ["kface {}".format(name)] + arguments
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


def _check_options(name: str, arguments: Sequence[str]) -> None:
    """Refuse an option that Hydra does not know: its own answer is several lines; raises ConfigError."""
    for argument in arguments:
        word = argument.partition("=")[0]
        if word.startswith("-") and word not in OPTIONS:
            near = difflib.get_close_matches(word, OPTIONS, n=1)
            remedy = (
                "write {}, or see kface {} --help".format(near[0], name) if near else "see kface {} --help".format(name)
            )
            raise ConfigError("there is no such option", word, remedy)


def _end(name: str, error: Exception, extra: Optional[str] = None) -> int:
    """Print the one line of what a user can mend and return the exit status; anything else is raised again."""
    line = error if isinstance(error, KFaceError) else absent(error, extra) if isinstance(error, ImportError) else None
    if line is None:
        raise error
    print("{}: {}".format(name, line), file=sys.stderr)
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
