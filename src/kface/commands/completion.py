"""``kface completion bash|zsh|fish``: prints the scripts, and answers their query at each TAB (``kface __complete WORD...``).

The answer's first line is ``files`` where file names are candidates too, else ``words``; each further line is a candidate and,
after a tab, its description. Candidates are complete words; after ``=`` and ``.`` more follows without a blank.
"""

import argparse
import sys
from pathlib import Path
from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

from kface.commands import conf, scripts, table
from kface.commands.manual import OPTIONS, belongs
from kface.commands.parser import Parser, SettingsParser
from kface.errors import KFaceError
from kface.overrides import TEXTS

#: Placeholders for a file or a directory in an option's help.
_FILES = ("FILE", "DIR", "PATH", "IMAGE")
#: Settings of :data:`kface.overrides.TEXTS` that are not files.
_NAMES = (
    "corpus.name",
    "licence",
    "licence_of_data",
    "output",
    "stream.address",
    "stream.id",
    "stream.path",
    "web.host",
)

Candidate = Tuple[str, str]


class Answer(NamedTuple):
    """The completions of a word: candidates with their descriptions, and whether file names are candidates too."""

    candidates: List[Candidate]
    files: bool = False


def main(argv: Optional[List[str]] = None) -> int:
    """Print a shell's script and return the exit status."""
    arguments = parser().parse_args(argv)
    print(scripts.SCRIPTS[arguments.shell], end="")
    return 0


def parser() -> Parser:
    """Return what reads the arguments."""
    made = Parser(
        prog="kface completion",
        description="print a script that completes commands, settings and file names in a shell",
        examples=(
            'eval "$(kface completion bash)"              (in ~/.bashrc)',
            'eval "$(kface completion zsh)"               (in ~/.zshrc)',
            "kface completion fish | source               (in ~/.config/fish/config.fish)",
        ),
    )
    made.add_argument("shell", metavar="SHELL", choices=sorted(scripts.SCRIPTS), help="the shell")
    return made


def answer(words: Sequence[str]) -> str:
    """Return the answer for a shell.

    Args:
        words: The words after ``kface``; the last one is to be completed, and may be empty.
    """
    try:
        found = complete(list(words) or [""])
    except (KFaceError, ImportError):
        # Not at a TAB: the command itself will report the error.
        found = Answer([])
    current = words[-1] if words else ""
    lines = ["files" if found.files else "words"]
    lines += ["{}\t{}".format(word, about) for word, about in _next(found.candidates, current)]
    return "\n".join(lines) + "\n"


def complete(words: List[str]) -> Answer:
    """Return the completions of the last word.

    Raises:
        KFaceError: The configuration is missing.
        ImportError: A package of the command is missing.
    """
    before, current = words[:-1], words[-1]
    if not before or before == ["help"]:
        made = [(name, table.COMMANDS[name].about) for name in table.available()]
        options = [("--help", "show the manual page"), ("--version", "show the version")]
        return Answer(made + (options if not before and current.startswith("-") else []))
    name = table.ALIASES.get(before[0], before[0])
    if name not in table.available():
        return Answer([])
    command = table.COMMANDS[name]
    if command.hydra:
        return _stage(command, before[1:], current)
    return _arguments(table.load(command).parser(), before[1:], current)


def _next(candidates: Iterable[Candidate], current: str) -> List[Candidate]:
    """Return the candidates that begin with a word, and settings up to their next dot: fit. for all of fit.*."""
    made: List[Candidate] = []
    for word, about in candidates:
        if not word.startswith(current):
            continue
        key, equals, _ = word.partition("=")
        dot = key.find(".", len(current))
        if equals and dot >= 0 and "=" not in current:
            word, about = word[: dot + 1], ""
        if word not in [seen for seen, _ in made]:
            made.append((word, about))
    return made


def _stage(command: table.Command, before: List[str], current: str) -> Answer:
    if before[-1:] == ["--config"]:
        return Answer([], True)
    if current.startswith("-"):
        return Answer(
            [(word, about) for option, about in OPTIONS for word in option.partition(" ")[0].rstrip(",").split()]
        )
    assert command.stage is not None
    return _settings(command.stage, before, current, command)


def _settings(stage: str, before: List[str], current: str, command: Optional[table.Command] = None) -> Answer:
    places = [conf.configuration_directory()]
    if "--config" in before[:-1]:
        own = Path(before[before.index("--config") + 1]).expanduser()
        places += [own] if own.is_dir() else []
    found = conf.read_stage(stage, places)
    groups = [group for group in found.groups if belongs(group.name, command)]
    settings = [
        setting
        for setting in found.all_settings
        if belongs(setting.key.partition(".")[0], command) and not setting.about.startswith("set by the choice")
    ]
    key, equals, _ = current.partition("=")
    if not equals:
        # A group's choice completes its name; its settings follow after a dot.
        words = [(group.name + "=", group.about) for group in groups]
        return Answer(words + [(setting.key + "=", setting.about) for setting in settings])
    for group in groups:
        if group.name == key:
            return Answer([("{}={}".format(key, choice.name), choice.about) for choice in group.choices])
    for setting in settings:
        if setting.key == key:
            return Answer(
                [("{}={}".format(key, value), "") for value in setting.choices], key in TEXTS and key not in _NAMES
            )
    return Answer([])


def _arguments(read: Parser, before: List[str], current: str) -> Answer:
    """Return what an argument parser accepts at this place."""
    for number, word in enumerate(before):
        below = _subparser(read, word)
        if below is not None:
            return _arguments(below, before[number + 1 :], current)
    options = {option: action for action in read._actions for option in action.option_strings}
    last = options.get(before[-1]) if before else None
    if last is not None and last.nargs != 0:
        return _values(last)
    if current.startswith("-"):
        return Answer(
            [(option, _about(action)) for option, action in options.items() if action.help != argparse.SUPPRESS]
        )
    made = Answer([])
    for action in read._actions:
        if action.option_strings:
            continue
        if isinstance(action, argparse._SubParsersAction):
            made = Answer(made.candidates + [(one.dest, one.help or "") for one in action._choices_actions], made.files)
        elif not (isinstance(read, SettingsParser) and action.metavar == "key=value"):
            values = _values(action)
            made = Answer(made.candidates + values.candidates, made.files or values.files)
    if isinstance(read, SettingsParser):
        settings = _settings(read.stage, before, current)
        made = Answer(made.candidates + settings.candidates, made.files or settings.files)
    return made


def _subparser(read: Parser, word: str) -> Optional[Parser]:
    for action in read._actions:
        if isinstance(action, argparse._SubParsersAction) and word in action.choices:
            found: Parser = action.choices[word]
            return found
    return None


def _values(action: argparse.Action) -> Answer:
    if action.choices is not None:
        return Answer([(str(choice), "") for choice in action.choices])
    return Answer([], str(action.metavar or "").partition(".")[0] in _FILES)


def _about(action: argparse.Action) -> str:
    return " ".join(((action.help or "") % dict(vars(action), prog="kface")).split())


if __name__ == "__main__":
    sys.exit(main())
