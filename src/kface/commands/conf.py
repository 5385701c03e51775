"""Reads the configuration files as documentation: the settings, groups and choices of a stage, with their comments.

Reads ``conf/`` without Hydra and PyYAML, so that a manual page or a TAB takes milliseconds and works on a board. It understands
only the form of our files, one ``key: value  # comment`` per line; a test compares it with a YAML parser on every file. A
comment that begins with "one of a, b, c" lists the choices of a setting.
"""

import os
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from kface.errors import ConfigError

#: Environment variable with a directory that replaces the packaged one.
ENVIRONMENT = "KFACE_CONF"

_KEY = re.compile(r"( *)([A-Za-z_]\w*):(?: +(.*))?\Z")
_DEFAULT = re.compile(r"  - (optional )?(override )?/?([\w/]+)(?:: *(.*))?\Z")
_CHOICES = re.compile(r"one of ([^:;(]+)")


class Setting(NamedTuple):
    """A setting of a stage.

    Attributes:
        key: Such as "fit.epochs".
        default: The value's text; None where the file has null.
        about: Description, with its unit.
        defaults: Other defaults, by the choice of its group: (choice, text).
        only: The choices of its group that have it; empty where all do.
    """

    key: str
    default: Optional[str]
    about: str = ""
    defaults: Tuple[Tuple[str, str], ...] = ()
    only: Tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default == "???"

    @property
    def choices(self) -> Tuple[str, ...]:
        """The possible values, where its comment lists them or it is true or false."""
        match = _CHOICES.match(self.about)
        if match:
            return tuple(word for word in re.split(r", | or ", match.group(1).strip()) if word)
        return ("true", "false") if self.default in ("true", "false") else ()


class Choice(NamedTuple):
    """A file of a group: its name and its description."""

    name: str
    about: str


class Group(NamedTuple):
    """A folder of the configuration, one file of which is chosen.

    Attributes:
        name: Such as "backbone".
        default: The choice, possibly with references: "${corpus}-${backbone}"; None for none.
        about: Description.
        choices: Its files.
        settings: Of all choices.
    """

    name: str
    default: Optional[str]
    about: str
    choices: Tuple[Choice, ...]
    settings: Tuple[Setting, ...]


class Stage(NamedTuple):
    """A root file.

    Attributes:
        name: Such as "train".
        about: What the stage does.
        examples: Command lines.
        groups: In the file's order.
        sections: (section, description) of sections whose line has a comment.
        settings: Of the file itself, in order.
    """

    name: str
    about: str
    examples: Tuple[str, ...]
    groups: Tuple[Group, ...]
    sections: Tuple[Tuple[str, str], ...]
    settings: Tuple[Setting, ...]

    @property
    def all_settings(self) -> List[Setting]:
        """The settings of the file and of its groups."""
        return list(self.settings) + [setting for group in self.groups for setting in group.settings]


def configuration_directory() -> Path:
    """Return the directory of the configuration: KFACE_CONF, or the package's own.

    Raises:
        ConfigError: It is missing.
    """
    named = os.environ.get(ENVIRONMENT)
    package = Path(__file__).resolve().parents[1]
    # In a checkout without symbolic links a small file replaces the link.
    choices = [Path(named)] if named else [package / "conf", package.parents[1] / "conf"]
    for directory in choices:
        if directory.is_dir():
            return directory.resolve()
    raise ConfigError("the configuration directory is missing", choices[0], "reinstall kface, or set KFACE_CONF")


def read_stage(name: str, directories: Optional[Sequence[Path]] = None) -> Stage:
    """Read a root file and the groups that it names.

    Args:
        name: Such as "train".
        directories: Directories of the files; the first has the root file, all may have choices. By default only
            :func:`configuration_directory`.

    Raises:
        ConfigError: The file does not exist.
    """
    places = list(directories) if directories else [configuration_directory()]
    root = _read(places[0] / (name + ".yaml"))
    groups = [_group(places, group, choice, about) for group, choice, about in root.defaults]
    groups = [group for group in groups if group.choices]
    # The choice of a recipe changes the defaults of other settings.
    recipes = [
        ("{}={}".format(group, path.stem), setting)
        for group, _, _ in root.defaults
        for path in _files(places, group)
        for setting in _recipe(path)
    ]
    groups = [
        group._replace(
            settings=_changed(_with_own(group, root) if group.name in root.above else group.settings, recipes)
        )
        for group in groups
    ]
    own = [setting for setting in root.settings if setting.key.partition(".")[0] not in root.above]
    return Stage(
        name,
        root.about,
        tuple(root.examples),
        tuple(groups),
        tuple((key, about) for key, about in root.sections.items() if about),
        _changed(own, recipes),
    )


def stage_files(name: str) -> List[str]:
    """Return the packaged files that describe a stage: its root file and those of its groups.

    Raises:
        ConfigError: The configuration is missing.
    """
    place = configuration_directory()
    made = [name + ".yaml"]
    for group, _, _ in _read(place / made[0]).defaults:
        made += ["{}/{}".format(group, path.name) for path in _files([place], group)]
    return made


def clash(directory: Path, packaged: Path) -> Optional[str]:
    """Return a file of a further directory that has the name of a packaged file, or None."""
    for path in sorted(directory.glob("*.yaml")) + sorted(directory.glob("*/*.yaml")):
        name = str(path.relative_to(directory))
        if (packaged / name).exists():
            return name
    return None


class _File(object):
    """The parts of a file."""

    def __init__(self) -> None:
        self.about = ""
        self.examples: List[str] = []
        self.anywhere = False
        self.package: Optional[str] = None
        self.defaults: List[Tuple[str, Optional[str], str]] = []
        self.above: List[str] = []
        self.base: Optional[str] = None
        self.sections: Dict[str, str] = {}
        self.settings: List[Setting] = []


def _group(places: Sequence[Path], name: str, default: Optional[str], about: str) -> Group:
    choices: List[Choice] = []
    files: Dict[str, _File] = {}
    for path in _files(places, name):
        file = _read(path)
        choices.append(Choice(path.stem, file.about))
        files[path.stem] = file
    merged: Dict[str, Setting] = {}
    has: Dict[str, List[Tuple[str, Optional[str]]]] = {}
    # The default choice's comments take precedence.
    for choice in sorted(files, key=lambda choice: choice != default):
        if files[choice].anywhere:
            continue
        for setting in _inherited(choice, files):
            # A file may put its settings elsewhere than under its group's name.
            setting = setting._replace(key="{}.{}".format(files[choice].package or name, setting.key))
            merged.setdefault(setting.key, setting)
            if not merged[setting.key].about:
                merged[setting.key] = merged[setting.key]._replace(about=setting.about)
            has.setdefault(setting.key, []).append((choice, setting.default))
    settings = []
    for key, setting in merged.items():
        others = tuple((choice, text or "null") for choice, text in has[key] if text != setting.default)
        only = () if len(has[key]) == len(files) else tuple(sorted(choice for choice, _ in has[key]))
        settings.append(Setting(key, setting.default, setting.about, others, only))
    return Group(name, default, about, tuple(choices), tuple(settings))


def _with_own(group: Group, root: _File) -> Tuple[Setting, ...]:
    """Return a group's settings with those of the root file in it: other defaults, and further settings."""
    made = {setting.key: setting for setting in group.settings}
    for setting in root.settings:
        if setting.key.startswith(group.name + "."):
            about = setting.about or (made[setting.key].about if setting.key in made else "")
            made[setting.key] = setting._replace(about=about)
    return tuple(made.values())


def _files(places: Sequence[Path], group: str) -> List[Path]:
    return sorted((path for place in places for path in (place / group).glob("*.yaml")), key=lambda path: path.stem)


def _recipe(path: Path) -> List[Setting]:
    """Return the settings of a file that sets others than its own group's."""
    file = _read(path)
    return file.settings if file.anywhere else []


def _changed(settings: Sequence[Setting], recipes: Sequence[Tuple[str, Setting]]) -> Tuple[Setting, ...]:
    """Return settings with the defaults that recipes give them."""
    made = []
    for setting in settings:
        others = tuple((choice, found.default or "null") for choice, found in recipes if found.key == setting.key)
        made.append(setting._replace(defaults=setting.defaults + others))
    return tuple(made)


def _inherited(choice: str, files: Dict[str, _File]) -> List[Setting]:
    """Return a choice's settings with those of its base file."""
    file = files[choice]
    if file.base is None or file.base not in files:
        return file.settings
    made = {setting.key: setting for setting in _inherited(file.base, files)}
    for setting in file.settings:
        before = made.get(setting.key)
        made[setting.key] = setting._replace(about=setting.about or (before.about if before else ""))
    return list(made.values())


def _read(path: Path) -> _File:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("cannot be read ({})".format(getattr(error, "strerror", None) or error), path)
    return parse(text)


def parse(text: str) -> _File:
    """Read a configuration file's text."""
    made = _File()
    comments: List[str] = []
    head: Optional[List[str]] = None
    parents: List[str] = []
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("#"):
            comments.append(bare[1:])
            continue
        if head is None and bare:
            head, comments = comments, []
        if not bare:
            comments = []
            continue
        value, about = _split(line)
        about = about or " ".join(comment.strip() for comment in comments)
        comments = []
        match = _KEY.match(value)
        if parents[:1] == ["defaults"] and not match:
            _default(made, value, about)
            continue
        if not match:
            continue
        depth = len(match.group(1)) // 2
        parents = parents[:depth] + [match.group(2)]
        if parents[0] in ("defaults", "hydra") or match.group(2) == "_target_":
            continue
        key = ".".join(parents)
        if match.group(3) is None:
            made.sections[key] = about
            continue
        given = match.group(3).strip()
        made.settings.append(Setting(key, None if given == "null" else _unquoted(given), about))
    _head(made, head if head is not None else comments)
    return made


def _head(made: _File, lines: Sequence[str]) -> None:
    """Split the comment at the top of a file into description and command lines."""
    words = []
    for line in lines:
        if line.strip().startswith("@package"):
            made.anywhere = "_global_" in line
            made.package = line.split()[-1]
        elif line.startswith("   "):
            made.examples.append(line.strip())
        else:
            words.append(line.strip())
    made.about = " ".join(words).strip()


def _default(made: _File, line: str, about: str) -> None:
    match = _DEFAULT.match(line)
    if not match or match.group(2):
        return
    if match.group(3) == "_self_":
        # The file's own settings come after those of these groups, and override them.
        made.above = [group for group, _, _ in made.defaults]
        return
    if match.group(4) is None:
        made.base = match.group(3)
    else:
        choice = match.group(4).strip()
        made.defaults.append((match.group(3), None if choice == "null" else choice, about))


def _split(line: str) -> Tuple[str, str]:
    """Return a line without its comment, and the comment."""
    quoted = ""
    for place, sign in enumerate(line):
        if quoted:
            quoted = "" if sign == quoted else quoted
        elif sign in "\"'" and line[place - 1 : place] in (" ", "[", ","):
            quoted = sign
        elif sign == "#" and line[place - 1 : place] == " ":
            return line[:place].rstrip(), line[place + 1 :].strip()
    return line.rstrip(), ""


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
