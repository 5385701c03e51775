"""The configuration files as documentation: which settings, groups and choices a stage has, with their comments.

Reads ``conf/`` without Hydra and without PyYAML, so that a manual page or a TAB costs milliseconds and works on a board. It
understands the form that our files keep to, one ``key: value  # comment`` a line, and no more of YAML than that; a test holds
it against a YAML parser on every file. A comment that begins with "one of a, b, c" lists the choices of a setting.
"""

import os
import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from kface.errors import ConfigError

#: Names a directory in place of the packaged one.
ENVIRONMENT = "KFACE_CONF"

_KEY = re.compile(r"( *)([A-Za-z_][\w-]*):(?: +(.*))?\Z")
_DEFAULT = re.compile(r"  - (optional )?(override )?/?([\w/]+)(?:: *(.*))?\Z")
_CHOICES = re.compile(r"one of ([^:;(]+)")


class Setting(NamedTuple):
    """A setting of a stage.

    Attributes:
        key: As it is typed, such as "fit.epochs".
        default: The value's text; None where the file has null.
        about: What it means, with its unit.
        defaults: Of choices of its group that have another default: (choice, text).
        only: The choices of its group that have it, where not all have.
    """

    key: str
    default: Optional[str]
    about: str = ""
    defaults: Tuple[Tuple[str, str], ...] = ()
    only: Tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether it has to be given."""
        return self.default == "???"

    @property
    def choices(self) -> Tuple[str, ...]:
        """The values there are, where its comment lists them or it is true or false."""
        match = _CHOICES.match(self.about)
        if match:
            return tuple(word for word in re.split(r", | or ", match.group(1).strip()) if word)
        return ("true", "false") if self.default in ("true", "false") else ()


class Choice(NamedTuple):
    """A file of a group: its name, and what it is for."""

    name: str
    about: str


class Group(NamedTuple):
    """A folder of the configuration, of which one file is chosen.

    Attributes:
        name: Such as "backbone".
        default: The choice, which may refer to others: "${corpus}-${backbone}"; None for none.
        about: What it is for.
        choices: The files there are.
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
        sections: (section, what it is for) where a section's own line says so.
        settings: Of the file itself, in its order.
    """

    name: str
    about: str
    examples: Tuple[str, ...]
    groups: Tuple[Group, ...]
    sections: Tuple[Tuple[str, str], ...]
    settings: Tuple[Setting, ...]

    @property
    def all_settings(self) -> List[Setting]:
        """Those of the file and of its groups."""
        return list(self.settings) + [setting for group in self.groups for setting in group.settings]


def configuration_directory() -> Path:
    """Return the directory of the configuration: KFACE_CONF, or the package's own.

    Raises:
        ConfigError: It is not there.
    """
    named = os.environ.get(ENVIRONMENT)
    package = Path(__file__).resolve().parents[1]
    # A checkout without symbolic links has a small file in place of the link.
    choices = [Path(named)] if named else [package / "conf", package.parents[1] / "conf"]
    for directory in choices:
        if directory.is_dir():
            return directory.resolve()
    raise ConfigError("the configuration directory is missing", choices[0], "install kface again, or set KFACE_CONF")


def read_stage(name: str, directories: Optional[Sequence[Path]] = None) -> Stage:
    """Read a root file and the groups that it names.

    Args:
        name: Such as "train".
        directories: Where the files are; the first has the root file, and all may have choices. By default
            :func:`configuration_directory` alone.

    Raises:
        ConfigError: There is no such file.
    """
    places = list(directories) if directories else [configuration_directory()]
    root = _read(places[0] / (name + ".yaml"))
    groups = [_group(places, group, choice, about) for group, choice, about in root.defaults]
    groups = [group for group in groups if group.choices]
    # A recipe's choice changes the defaults of others.
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
    """Return the packaged files that a stage is described by: its root file and those of its groups.

    Raises:
        ConfigError: The configuration is not there.
    """
    place = configuration_directory()
    made = [name + ".yaml"]
    for group, _, _ in _read(place / made[0]).defaults:
        made += ["{}/{}".format(group, path.name) for path in _files([place], group)]
    return made


def clash(directory: Path, packaged: Path) -> Optional[str]:
    """Return a file that a further directory has under the same name as the packaged one; None where there is none."""
    for path in sorted(directory.glob("*.yaml")) + sorted(directory.glob("*/*.yaml")):
        name = str(path.relative_to(directory))
        if (packaged / name).exists():
            return name
    return None


class _File(object):
    """A file's parts."""

    def __init__(self) -> None:
        self.about = ""
        self.examples: List[str] = []
        self.anywhere = False
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
    # The default choice's own words come first.
    for choice in sorted(files, key=lambda choice: choice != default):
        if files[choice].anywhere:
            continue
        for setting in _inherited(choice, files):
            merged.setdefault(setting.key, setting)
            if not merged[setting.key].about:
                merged[setting.key] = merged[setting.key]._replace(about=setting.about)
            has.setdefault(setting.key, []).append((choice, setting.default))
    settings = []
    for key, setting in merged.items():
        others = tuple((choice, text or "null") for choice, text in has[key] if text != setting.default)
        only = () if len(has[key]) == len(files) else tuple(sorted(choice for choice, _ in has[key]))
        settings.append(Setting(name + "." + key, setting.default, setting.about, others, only))
    return Group(name, default, about, tuple(choices), tuple(settings))


def _with_own(group: Group, root: _File) -> Tuple[Setting, ...]:
    """Return a group's settings with what the root file sets in it: other defaults, and settings of its own."""
    made = {setting.key: setting for setting in group.settings}
    for setting in root.settings:
        if setting.key.startswith(group.name + "."):
            about = setting.about or (made[setting.key].about if setting.key in made else "")
            made[setting.key] = setting._replace(about=about)
    return tuple(made.values())


def _files(places: Sequence[Path], group: str) -> List[Path]:
    return sorted((path for place in places for path in (place / group).glob("*.yaml")), key=lambda path: path.stem)


def _recipe(path: Path) -> List[Setting]:
    """Return what a file sets anywhere in the configuration, and not in its own group."""
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
    """Return a choice's settings with those of the file that it stands on."""
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
    """Take the comment at a file's top apart: what it is for, and what is typed."""
    words = []
    for line in lines:
        if line.strip().startswith("@package"):
            made.anywhere = "_global_" in line
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
        # The file's own settings come after these groups', and change them.
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
