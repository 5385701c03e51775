"""Manual pages of all commands, and of each stage, whose settings come from the configuration's files."""

from pathlib import Path
from typing import List, Optional, Sequence

from kface.commands import conf, table
from kface.commands.parser import entry, page_end, wrapped

#: Options of every stage that Hydra runs.
OPTIONS = (
    ("--config DIR", "a directory with configuration files of your own: DIR/experiment/mine.yaml for experiment=mine"),
    ("--cfg job", "print the composed settings and exit"),
    ("-m, --multirun", "run once for each of several values: key=a,b"),
    ("--hydra-help", "Hydra's further options"),
    ("-h, --help", "show this page"),
)


def overview() -> str:
    """Return the page of all commands."""
    lines = ["kface - face recognition from the K-Face data set to a camera on a wall", "", "Usage:"]
    lines += ["  kface COMMAND [key=value ...] [options]", "  kface COMMAND --help", "", "Commands:"]
    for name in table.available():
        lines += entry(name, table.COMMANDS[name].about, 14)
    lines += ["", "Options:"]
    lines += entry("-h, --help", "show this page; after a command, the manual page of that command", 18)
    lines += entry("--version", "show the version", 18)
    examples = ["kface deploy source=rtsp://10.0.0.7/live", 'kface gallery add "Kim Min-su" photo.jpg --bundle DIR']
    if not table.on_board():
        examples = ["kface train backbone=resnet50 loss=arcface", "kface export"] + examples
    examples.append('eval "$(kface completion bash)"')
    lines += page_end(table.EXITS, examples)
    lines.insert(lines.index("Examples:") - 1, "  (see also the commands' pages)")
    return "\n".join(lines) + "\n"


def stage_page(name: str, directories: Optional[Sequence[Path]] = None) -> str:
    """Return the page of a command that Hydra runs.

    Args:
        name: The command.
        directories: See :func:`kface.commands.conf.read_stage`.

    Raises:
        ConfigError: The configuration is missing.
    """
    command = table.COMMANDS[name]
    assert command.stage is not None
    stage = conf.read_stage(command.stage, directories)
    lines = wrapped("kface {} - {}".format(name, command.about), indent="    ")
    if not command.only:
        lines += [""] + wrapped(stage.about)
    lines += ["", "Usage:", "  kface {} [group=choice ...] [key=value ...] [options]".format(name), "", "Options:"]
    for option, about in OPTIONS:
        lines += entry(option, about)
    lines += setting_lines(command.stage, directories, command)
    lines += page_end(command.exits, command.examples or stage.examples)
    return "\n".join(lines) + "\n"


def setting_lines(
    stage: str, directories: Optional[Sequence[Path]] = None, command: Optional[table.Command] = None
) -> List[str]:
    """Return the groups and the settings of a stage.

    Raises:
        ConfigError: The configuration is missing.
    """
    found = conf.read_stage(stage, directories)
    groups = [group for group in found.groups if belongs(group.name, command)]
    lines = ["", "Groups (group=choice):"] if groups else []
    for group in groups:
        default = "" if group.default is None else " (default: {})".format(_reference(group.default))
        lines += entry(group.name, (group.about or "one of these") + default)
        for choice in group.choices:
            lines += entry("  " + choice.name, choice.about)
    lines += ["", "Settings (key=value):"]
    sections = dict(found.sections)
    headed = set()
    for setting in found.settings:
        if not belongs(setting.key.partition(".")[0], command):
            continue
        section = setting.key.rpartition(".")[0]
        if section in sections and section not in headed:
            headed.add(section)
            lines += entry(section, sections[section] + ":")
        lines += entry(setting.key, _described(setting))
    for group in groups:
        for setting in group.settings:
            if not setting.about.startswith("set by the choice"):
                lines += entry(setting.key, _described(setting))
    return lines


def belongs(name: str, command: Optional[table.Command]) -> bool:
    """Return whether a group or a top setting of its stage applies to a command."""
    if command is None:
        return True
    return name not in command.hidden and (not command.only or name in command.only)


def _described(setting: conf.Setting) -> str:
    about = setting.about
    notes = []
    if setting.required:
        notes.append("required")
    elif setting.default:
        notes.append("default: {}".format(_reference(setting.default)))
    notes += ["{}: {}".format(choice, text) for choice, text in setting.defaults if text != "???"]
    if setting.only:
        notes.insert(0, "with {} only".format(", ".join(setting.only)))
    return about + (" ({})".format("; ".join(notes)) if notes else "")


def _reference(text: str) -> str:
    """Return a value with references to other settings in readable form: seed for ${seed}."""
    return text.replace("${", "").replace("}", "") if "${" in text else text
