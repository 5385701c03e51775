"""The argument parser of all commands: its help is a manual page, its errors are one line."""

import argparse
import difflib
import re
import shutil
import sys
import textwrap
from typing import Any, List, Match, NoReturn, Optional, Sequence, Tuple

from kface.commands.table import COMMANDS, EXITS
from kface.text import printable

#: Maximum width of a manual page in columns.
WIDTH = 112


class Parser(argparse.ArgumentParser):
    """Reads a command's arguments.

    Args:
        prog: The command, such as "kface gallery".
        description: What it does: a sentence.
        examples: Command lines.
        exits: (status, meaning); by default those of the table.
        keywords: For :class:`argparse.ArgumentParser`.
    """

    def __init__(
        self,
        prog: Optional[str] = None,
        description: Optional[str] = None,
        examples: Sequence[str] = (),
        exits: Sequence[Tuple[int, str]] = (),
        **keywords: Any,
    ) -> None:
        super(Parser, self).__init__(prog=prog, description=description, add_help=False, **keywords)
        self.examples = tuple(examples)
        command = COMMANDS.get((prog or "").partition(" ")[2].partition(" ")[0])
        self.exits = tuple(exits) or (command.exits if command else EXITS)
        self._positionals.title = "Arguments"
        self._optionals.title = "Options"
        self.add_argument("-h", "--help", action="help", help="show this page")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what neither this parser nor its subcommand knows, with the nearest known name."""
        found, extra = super(Parser, self).parse_known_args(args, namespace)
        extra = self.take(found, extra)
        if extra:
            self.error(self._unknown(extra[0]))
        return found, extra

    def take(self, found: argparse.Namespace, extra: List[str]) -> List[str]:
        """Return the remaining arguments; a command that takes ``key=value`` anywhere keeps these."""
        return extra

    def _unknown(self, argument: str) -> str:
        if not argument.startswith("-"):
            return "{}: unexpected argument; see {} --help".format(argument, self.prog)
        options = [option for action in self._actions for option in action.option_strings]
        word = argument.partition("=")[0]
        near = difflib.get_close_matches(word, options, n=1)
        meant = "write {}, or see".format(near[0]) if near else "see"
        return "{}: unknown option; {} {} --help".format(word, meant, self.prog)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            self.error(choose(str(value), list(map(str, action.choices)), _name(action)))

    def error(self, message: str) -> "NoReturn":
        """Print one line and end with status 2."""
        # argparse's messages, in our form.
        message = re.sub(r"\Aargument ([^:]*): ", lambda match: match.group(1).split("/")[-1] + ": ", message)
        message = re.sub(r"\A(.*): invalid (\w+) value: (.*)", _not_a, message)
        message = re.sub(r"\Athe following arguments are required: (.*)", r"\1: missing", message)
        if ";" not in message:
            message = "{}; see {} --help".format(message, self.prog)
        print("{}: {}".format(self.prog, printable(message)), file=sys.stderr)
        sys.exit(2)

    def format_help(self) -> str:
        """Return the manual page."""
        lines = wrapped("{} - {}".format(self.prog, (self.description or "").rstrip(".")), indent="    ")
        lines += ["", "Usage:"] + ["  " + line for line in self._usage()]
        for group in self._action_groups:
            shown = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
            if shown:
                lines += ["", "{}:".format(group.title)]
                lines += [line for action in shown for line in self._described(action)]
        lines += self.more()
        lines += page_end(self.exits, self.examples or self.stage_examples())
        return "\n".join(lines) + "\n"

    def stage_examples(self) -> Sequence[str]:
        """Return the command lines in the stage's file."""
        return ()

    def more(self) -> List[str]:
        """Return further sections."""
        return []

    def _usage(self) -> List[str]:
        formatter = argparse.HelpFormatter(self.prog, width=columns() - 2)
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups, "")
        lines = [line.rstrip() for line in formatter.format_help().splitlines() if line.strip()]
        return [line if number == 0 else "    " + line.strip() for number, line in enumerate(lines)]

    def _described(self, action: argparse.Action) -> List[str]:
        if isinstance(action, argparse._SubParsersAction):
            return [line for choice in action._choices_actions for line in entry(choice.dest, choice.help or "")]
        about = (action.help or "") % dict(vars(action), prog=self.prog)
        if action.choices is not None and not all(str(choice) in about for choice in action.choices):
            about = "{}{}".format(about + ": " if about else "", ", ".join(map(str, action.choices)))
        if action.nargs != 0 and action.default not in (None, argparse.SUPPRESS, []) and "default" not in about:
            about += " (default: {})".format(_shown(action.default))
        return entry(_invocation(action), about)


class SettingsParser(Parser):
    """A parser of a command that takes settings, ``key=value``, before, between and behind its options."""

    #: The stage whose settings they are.
    stage = ""

    def __init__(self, stage: str, dest: str = "settings", **keywords: Any) -> None:
        super(SettingsParser, self).__init__(**keywords)
        self.stage = stage
        self._dest = dest
        self.add_argument(
            dest, metavar="key=value", nargs="*", help="a setting, such as source=rtsp://10.0.0.7/live; see below"
        )

    def take(self, found: argparse.Namespace, extra: List[str]) -> List[str]:
        """Keep the settings in places where argparse does not expect them."""
        words = [word for word in extra if not word.startswith("-")]
        setattr(found, self._dest, list(getattr(found, self._dest)) + words)
        return [word for word in extra if word.startswith("-")]

    def stage_examples(self) -> Sequence[str]:
        """Return the command lines in the stage's file."""
        from kface.commands.conf import read_stage

        return read_stage(self.stage).examples

    def more(self) -> List[str]:
        """Return the settings as described in the configuration's files."""
        from kface.commands.manual import setting_lines

        return setting_lines(self.stage)


def choose(word: str, choices: Sequence[str], what: str) -> str:
    """Return the error for a word that is not a choice: with the nearest one, or all."""
    near = difflib.get_close_matches(word, choices, n=1)
    if near:
        return "{}: {}: unknown choice; write {}".format(what, word, near[0])
    return "{}: {}: unknown choice; choose one of: {}".format(what, word, ", ".join(choices))


def columns() -> int:
    """Return the width of a page: the terminal's, within limits."""
    return max(60, min(WIDTH, shutil.get_terminal_size((100, 24)).columns))


def wrapped(text: str, indent: str = "", first: str = "") -> List[str]:
    """Return a text's lines."""
    return textwrap.wrap(
        text, columns(), initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]


def entry(name: str, about: str, width: int = 28) -> List[str]:
    """Return the lines of a word and its description."""
    first = "  {:{}}  ".format(name, width - 4)
    if len(first) > width:
        return ["  " + name] + (wrapped(about, " " * width, " " * width) if about else [])
    return wrapped(about, " " * width, first) if about else [first.rstrip()]


def page_end(exits: Sequence[Tuple[int, str]], examples: Sequence[str]) -> List[str]:
    """Return the last sections of a page: exit status and examples."""
    lines = ["", "Exit status:"]
    for status, meaning in exits:
        lines += entry(str(status), meaning, 8)
    if examples:
        lines += ["", "Examples:"] + ["  " + example for example in examples]
    return lines


def _not_a(match: "Match[str]") -> str:
    kinds = {"int": "a whole number", "float": "a number"}
    return "{}: must be {}, not {}".format(match.group(1), kinds.get(match.group(2), match.group(2)), match.group(3))


def _name(action: argparse.Action) -> str:
    return action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)


def _invocation(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    value = ""
    if action.nargs != 0:
        metavar = action.metavar or ("CHOICE" if action.choices is not None else action.dest.upper())
        value = " " + (" ".join(metavar) if isinstance(metavar, tuple) else str(metavar))
    return ", ".join(action.option_strings) + value


def _shown(default: object) -> str:
    if isinstance(default, (list, tuple)):
        return " ".join(map(_shown, default))
    return "{:g}".format(default) if isinstance(default, float) else str(default)
