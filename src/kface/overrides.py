"""Makes arguments ``key=value``, as a user types them, fit Hydra's grammar.

Hydra reads a value as an expression: ``a,b`` is a sweep, ``[x]`` a list, ``2024`` a number, ``f(1)`` a call, and Hangul,
``~``, ``#`` or ``(1).mp4`` is an error. File names contain all of that. The settings in :data:`TEXTS` are therefore
taken literally, and so is any other value that Hydra cannot parse; the setting's own check then reports what is wrong with it.
Lists and groups of values that Hydra cannot parse (``[얼굴/가 나, x]``) are read as YAML.
A value in quotes still works as Hydra describes.
"""

import os
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

#: What is no text: nothing, a truth value, a number.
_VALUE = r"null|true|false|[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"

#: Settings that hold a text, such as a path or a name, with a pattern of the values that are not texts.
TEXTS: Dict[str, str] = {
    "bundle": "null",
    "corpus.data_dir": "null",
    "corpus.name": "null",
    "corpus.parent": "null",
    "corpus.root": "null",
    "data_dir": "null",
    "data_set": "null",
    "database.index": "null",
    "database.parent": "null",
    "database.root": "null",
    "embedder": "null",
    "evaluate.agedb30": "null",
    "evaluate.calfw": "null",
    "evaluate.cfp_ff": "null",
    "evaluate.cfp_fp": "null",
    "evaluate.cplfw": "null",
    "evaluate.ijbb": "null",
    "evaluate.ijbc": "null",
    "evaluate.lfw": "null",
    "evaluate.pair_lists": "null",
    # A number that is out of range is reported as a number.
    "evaluate.pairs": _VALUE + "|[+-]?(inf|nan)",
    "exclude.bundle": "null",
    # A list of paths is a list.
    "exclude.testset": r"null|\[.*\]",
    "fit.distil.output": "null",
    "fit.distil.teacher": "null",
    "gallery.file": "null",
    "gallery.key_file": "null",
    "hosts.coordinator": "null",
    "library": "null",
    "licence": "null",
    "licence_of_data": "null",
    "logger.mlflow.experiment": "null",
    "logger.mlflow.folder": "null",
    "logger.mlflow.tracking_uri": "null",
    "out": "null",
    "output": "null",
    "output_dir": "null",
    "outputs.json": "null",
    "outputs.snapshots": "null",
    "outputs.video": "null",
    "recipe": "null",
    "resume": "null|true|false",
    "run": "null",
    "source": "null",
    "stream.address": "null",
    "stream.file": "null",
    "stream.id": "null",
    "stream.path": "null",
    "web.host": "null",
    "web.token_file": "null",
}
#: A reference to another setting, which Hydra resolves: ``${data_dir}/x``.
_REFERENCE = re.compile(r"\$\{[A-Za-z_][\w.]*(:[^{}]*)?\}")
_KEY = re.compile(r"(\+\+|\+)?([A-Za-z_][\w./-]*(?:@[\w.:]+)?)\Z")
_PLAIN = re.compile(r"(?:{})\Z".format(_VALUE), re.IGNORECASE)
_QUOTED = re.compile(r"(['\"]).*\1\Z", re.DOTALL)


def split(argument: str) -> Optional[Tuple[str, str, str]]:
    """Return an override's prefix (``+``, ``++`` or nothing), key and value; None where it has another form."""
    name, equals, value = argument.partition("=")
    match = _KEY.match(name.strip())
    return (match.group(1) or "", match.group(2), value) if equals and match else None


def is_text(key: str, value: str) -> bool:
    """Return whether a setting's value is taken literally, not as an expression."""
    return key in TEXTS and re.match("(?:{})\\Z".format(TEXTS[key]), value.strip(), re.IGNORECASE) is None


def home(value: str) -> str:
    """Return a path with ``~`` at its start expanded: no shell does that behind ``key.with.dots=``."""
    return os.path.expanduser(value) if value.startswith("~") else value


def literal(arguments: Sequence[str], parses: Callable[[str], bool], sweep: bool = False) -> List[str]:
    """Return arguments that Hydra reads as they were meant.

    Args:
        arguments: As on the command line, options included.
        parses: Whether Hydra can parse an override.
        sweep: Whether this is a sweep (``--multirun``), in which ``a,b`` means two values.
    """
    made = []
    for argument in arguments:
        parts = None if argument.startswith("-") else split(argument)
        if parts is None or not _to_quote(parts[1], parts[2], parses(argument), sweep):
            made.append(argument)
            continue
        prefix, key, value = parts
        nested = None if is_text(key, value) else _nested(value)
        made.append("{}{}={}".format(prefix, key, nested or quote(home(value) if key in TEXTS else value)))
    return made


def _to_quote(key: str, value: str, parsed: bool, sweep: bool) -> bool:
    if not value or (_QUOTED.match(value.strip()) and parsed):
        return False
    return not parsed or (not sweep and is_text(key, value))


def _nested(value: str) -> Optional[str]:
    """Return a list or group, ``[a, b]`` or ``{key: a}``, with its texts in Hydra's quotes; None where the value is neither."""
    if value.strip()[:1] not in ("[", "{"):
        return None
    import yaml

    try:
        node = yaml.compose(value, Loader=yaml.SafeLoader)
        return None if node is None else _in_hydra_s_form(node)
    except (yaml.YAMLError, RecursionError):
        return None


def _in_hydra_s_form(node: Any) -> str:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        return "[{}]".format(",".join(_in_hydra_s_form(item) for item in node.value))
    if isinstance(node, yaml.MappingNode):
        return "{{{}}}".format(",".join("{}:{}".format(key.value, _in_hydra_s_form(item)) for key, item in node.value))
    plain = node.style is None and _PLAIN.match(node.value)
    return str(node.value) if plain else quote(node.value)


def quote(value: str) -> str:
    r"""Return a text as Hydra's quoted string; a reference ``${key}`` stays a reference.

    Example:
        >>> print(quote("it's (1).mp4"))
        'it\'s (1).mp4'
    """
    # A backslash escapes before a quote and at the end; elsewhere it is literal.
    text = re.sub(r"(\\*)('|\Z)", lambda m: m.group(1) * 2 + ("\\'" if m.group(2) else ""), value)
    kept = 0
    parts = []
    for match in _REFERENCE.finditer(text):
        parts += [text[kept : match.start()].replace("${", "\\${"), match.group()]
        kept = match.end()
    return "'{}'".format("".join(parts) + text[kept:].replace("${", "\\${"))
