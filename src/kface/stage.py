"""Runs one stage (data set, training, evaluation, ...) from its Hydra configuration.

Adapts Hydra: nothing else in the package imports it. Every mistake on the command line is reported in one line with the
valid choices, before the stage starts; so is a :class:`~kface.errors.KFaceError` inside it. The exit status is then 2.
"""

import contextlib
import difflib
import os
import sys
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Tuple

from kface.commands import conf
from kface.commands.conf import configuration_directory
from kface.commands.ending import refuse
from kface.commands.table import COMMANDS
from kface.errors import ConfigError, KFaceError, join_errors
from kface.overrides import literal, quote
from kface.packages import absent
from kface.text import first_line

HELP = ("-h", "--help")
#: Options that Hydra knows; ``--config`` is ours.
OPTIONS = HELP + (
    "--config", "--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--cfg", "-c", "--resolve", "--package",
    "-p", "--run", "-r", "--multirun", "-m", "--shell-completion", "-sc", "--info", "-i", "--hydra-help", "--version",
    "--experimental-rerun",
)  # fmt: skip

MULTIRUN = ("-m", "--multirun")


class JobFailed(Exception):  # noqa: N818
    """A job of a sweep that ran in another process has failed, after reporting why; its argument is the exit status."""


def places(own: Optional[Path] = None) -> List[Path]:
    """Return the directories of the configuration: the packaged one, then the user's own."""
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
        ConfigError: It is missing, or has a file with the name of a packaged one, which Hydra would silently prefer.
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
            raise ConfigError("has the name of a packaged file", found / twin, "rename it")
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
        ConfigError: Unknown choices, keys or values, each with the choices that exist.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    directory = configuration_directory()
    overrides = literal(overrides, parses)
    if own is not None:
        overrides = ["hydra.searchpath=[{}]".format(quote("file://{}".format(own)))] + list(overrides)
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(directory), version_base="1.3"):
            try:
                return hydra.compose(stage, overrides)
            # Hydra raises plain ValueErrors as well, for instance for detector=3.
            except (HydraException, OmegaConfBaseException, ValueError) as error:
                raise join_errors(
                    _wrong_overrides(stage, overrides, directory) or [ConfigError(first_line(error), stage)]
                )
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
        name: Prefix of its error lines; by default the stage's name.
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
    multirun = bool(set(MULTIRUN) & set(arguments))
    arguments = literal(arguments, parses, sweep=multirun)
    if own is not None:
        arguments = ["--config-dir", str(own)] + arguments

    status: List[int] = []
    defects: List[BaseException] = []
    here = os.getpid()

    def guarded(config: Any) -> None:
        if 130 in status:
            return
        try:
            status.append(task(config) or 0)
        except KeyboardInterrupt:
            print("{}: stopped; finished work is kept".format(name), file=sys.stderr)
            status.append(130)
        except Exception as error:
            try:
                status.append(_end(name, error, extra))
            except Exception:
                if os.getpid() != here:
                    raise
                # Raised again outside Hydra, which would shorten the traceback and end the process itself.
                defects.append(error)
        if os.getpid() != here and status[-1]:
            # A launcher runs this job in another process: the exit status returns as an exception.
            raise JobFailed(status[-1])

    before = sys.argv
    sys.argv = ["kface {}".format(name)] + arguments
    try:
        with _raising(multirun):
            hydra.main(version_base="1.3", config_path=str(configuration_directory()), config_name=stage)(guarded)()
    except JobFailed as failed:
        status.append(int(failed.args[0]))
    except _errors_of_hydra() as error:
        status.append(_end(name, ConfigError(first_line(error), stage)))
    except KeyboardInterrupt:
        print("{}: stopped; finished work is kept".format(name), file=sys.stderr)
        status.append(130)
    finally:
        sys.argv = before
    if defects:
        raise defects[0]
    return max(status) if status else 0


@contextlib.contextmanager
def _raising(multirun: bool) -> Iterator[None]:
    """Have Hydra raise what goes wrong in a sweep, in place of printing it and ending the process."""
    given = os.environ.get("HYDRA_FULL_ERROR")
    if multirun:
        os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if given is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
        else:
            os.environ["HYDRA_FULL_ERROR"] = given


def _errors_of_hydra() -> Tuple[Any, ...]:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    return (HydraException, OmegaConfBaseException)


def instantiate(node: Any, key: str, **extra: Any) -> Any:
    """Create the object that a configuration node names by ``_target_``.

    Args:
        node: The node; its keys are the target's keyword arguments.
        key: The node's name in the configuration, for the error.
        extra: Further keyword arguments.

    Raises:
        ConfigError: The target does not exist or does not accept these values.
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


def parses(override: str) -> bool:
    """Return whether Hydra can parse an override."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def sweeps(override: str) -> bool:
    """Return whether an override lists several values, as in ``seed=0,1``; False where Hydra cannot parse it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return parses(override) and bool(OverridesParser.create().parse_override(override).is_sweep_override())


def _check_options(name: str, arguments: Sequence[str]) -> None:
    """Refuse an option that Hydra does not know, as its own error takes several lines; raises ConfigError."""
    for argument in arguments:
        word = argument.partition("=")[0]
        if word.startswith("-") and word not in OPTIONS:
            near = difflib.get_close_matches(word, OPTIONS, n=1)
            remedy = (
                "write {}, or see kface {} --help".format(near[0], name) if near else "see kface {} --help".format(name)
            )
            raise ConfigError("unknown option", word, remedy)


def _end(name: str, error: Exception, extra: Optional[str] = None) -> int:
    """Print what the user can mend and return the exit status; raise anything else again."""
    known = error if isinstance(error, KFaceError) else absent(error, extra) if isinstance(error, ImportError) else None
    if known is None:
        raise error
    return refuse(name, known)


def _nearest(word: str, choices: Iterable[str]) -> List[str]:
    """Return the choices, those most like the word first."""
    choices = sorted(choices)
    near = difflib.get_close_matches(word, choices, n=3, cutoff=0.6)
    return near + [choice for choice in choices if choice not in near]


def _wrong_overrides(stage: str, overrides: Sequence[str], directory: Path) -> List[KFaceError]:
    """Return what is wrong with each override that does not fit, in the order in which they were given."""
    error = _problem(stage, [], None, directory)
    if error is not None:
        return [error]
    found: List[Tuple[int, KFaceError]] = []
    kept: List[str] = []
    # Choices first: they decide which keys exist.
    for number, override in sorted(enumerate(overrides), key=lambda item: (_rank(item[1]), item[0])):
        error = _problem(stage, kept, override, directory)
        if error is None:
            kept.append(override)
        else:
            found.append((number, error))
    return [error for _, error in sorted(found, key=lambda item: item[0])]


def _rank(override: str) -> int:
    key = override.partition("=")[0]
    return 0 if key.startswith("hydra.") else 1 if "." not in key else 2


def _problem(stage: str, kept: Sequence[str], override: Optional[str], directory: Path) -> Optional[KFaceError]:
    """Return why an override does not fit, given those that do; without one, why the stage itself cannot be composed."""
    import hydra
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    try:
        hydra.compose(stage, list(kept) + ([] if override is None else [override]))
    except MissingConfigException as error:
        return _unknown_choice(stage, error, directory)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        return ConfigError(first_line(error), stage) if override is None else _unknown_key(stage, kept, override, error)
    return None


def _unknown_choice(stage: str, error: Any, directory: Path) -> ConfigError:
    missing = error.missing_cfg_file
    if not error.options or not missing or "/" not in missing:
        roots = [path.stem for path in directory.glob("*.yaml")]
        return ConfigError("unknown stage", stage, "choose one of: {}".format(", ".join(sorted(roots))))
    group, _, choice = missing.rpartition("/")
    group = group.lstrip("/")
    return ConfigError(
        "unknown choice",
        "{}={}".format(group, choice.replace(".yaml", "")),
        "choose one of: {}".format(", ".join(_nearest(choice, error.options))),
    )


def _unknown_key(stage: str, kept: Sequence[str], override: str, error: Exception) -> ConfigError:
    """Return the error of an override that does not fit, with the keys that exist in its place."""
    import hydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf

    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException as fault:
        return ConfigError(first_line(fault), override, "write key=value")
    base = hydra.compose(stage, list(kept))
    parent, _, last = parsed.key_or_group.rpartition(".")
    node = OmegaConf.select(base, parent) if parent else base
    if not isinstance(node, DictConfig):
        return ConfigError("unknown key", override, "the keys are: {}".format(", ".join(sorted(base))))
    if last in node:
        return ConfigError(first_line(error), override)
    names = [str(name) for name in node if not str(name).startswith("_")]
    inside = " in {}".format(parent) if parent else ""
    return ConfigError("unknown key", override, "the keys{} are: {}".format(inside, ", ".join(_nearest(last, names))))
