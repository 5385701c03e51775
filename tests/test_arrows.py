"""Which package may import which: core <- data, evaluation <- train, export, deploy; and what a board's code may import."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src"
#: What a workstation has and a board does not, and the parts of it that a board has after all: demonstration and bench.
WORKSTATION = ("kface.data", "kface.evaluation", "kface.kisa")
ON_A_BOARD = ("kface.data", "kface.data.layout", "kface.data.protocols", "kface.data.sample")
#: The modules of export that rebuild a trained network: one starts Keras, the other loads the run.
REBUILDERS = ("export.__main__", "export.exported_network")
#: Modules of the core that start a workstation's stages, by name.
COMMANDS = ("kface.stage", "kface.commands")


def module_of(path):
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def inside(module, packages):
    return any(module == package or module.startswith(package + ".") for package in packages)


def imports_of(path):
    """Return (line, module, whether at import time) of all imports, those inside functions included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    later = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or is_for_types(node)
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [(node.lineno, name, id(node) not in later) for name in names]
    return found


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


EVERY = {module_of(path): path for path in sorted(SOURCES.rglob("*.py")) if "conf" not in path.parts}
IMPORTS = {module: imports_of(path) for module, path in EVERY.items()}


def refused(module, name):
    """Return why a module must not import another, or None."""
    package = module.partition(".")[0]
    if package == "kface" and inside(name, ("train", "export", "deploy", "benchmarks")):
        return "kface is what the others stand on"
    if package == "kface" and not inside(module, WORKSTATION) and inside(name, WORKSTATION):
        return "the core does without a workstation's rooms"
    if inside(module, ("kface.data",)) and inside(name, ("kface.evaluation",)):
        return "data sets know nothing of evaluations"
    if package == "deploy" and (
        inside(name, ("train", "export", "kface.evaluation"))
        or (inside(name, ("kface.data",)) and name not in ON_A_BOARD and not inside(name, ON_A_BOARD[1:]))
    ):
        return "it also runs on a board"
    if package == "train" and inside(name, ("export", "deploy")):
        return "training hands over a run directory"
    if package == "export" and inside(name, ("deploy",)):
        return "export hands over a bundle"
    if package == "export" and inside(name, ("train",)) and module not in REBUILDERS:
        return "export needs train only to rebuild a network"
    return None


@pytest.mark.parametrize("module", sorted(EVERY))
def test_arrows(module):
    wrong = [
        f"line {line}: imports {name}: {refused(module, name)}"
        for line, name, _ in IMPORTS[module]
        if refused(module, name)
    ]
    assert not wrong


def core():
    return [
        module
        for module in EVERY
        if module.partition(".")[0] in ("kface", "deploy")
        and not inside(module, WORKSTATION)
        and module not in ("kface.stage", "kface.workers")
    ]


def test_a_board_imports_the_standard_library_numpy_and_cv2_alone():
    wrong = [
        f"{module}, line {line}: {name}"
        for module in core()
        for line, name, at_once in IMPORTS[module]
        if at_once
        and name.partition(".")[0] not in {*sys.stdlib_module_names, "numpy", "cv2", "kface", "deploy"}
        and not (name.partition(".")[0] == "qtpy" and inside(module, ("deploy.app",)))
    ]
    assert not wrong


def test_qt_is_imported_by_the_window_alone():
    """And the window by its command alone, which loads nothing of Qt before it has read its arguments."""
    command = ("deploy.app.command", "deploy.app", "kface.commands.table")
    wrong = [
        f"{module}, line {line}: {name}"
        for module in EVERY
        if not inside(module, ("deploy.app", "benchmarks"))
        for line, name, at_once in IMPORTS[module]
        if name.partition(".")[0] in ("qtpy", "PySide6", "PyQt5")
        or (inside(name, ("deploy.app",)) and module not in command)
    ]
    loaded, waiting = set(), ["deploy.app.command"]
    while waiting:
        module = waiting.pop()
        loaded.add(module)
        for line, name, at_once in IMPORTS[module]:
            if at_once and name.startswith("qtpy"):
                wrong.append(f"{module}, line {line}: {name}, loaded by the command")
            if at_once and inside(name, ("deploy.app",)) and name in IMPORTS and name not in loaded:
                waiting.append(name)
    assert "deploy.app.preferences" in loaded
    assert not wrong


def test_the_floor_is_where_the_linters_look_for_it():
    """What must stay Python 3.6 is listed in pyproject.toml; a new module is on one of the lists."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    top = re.search(r'"src/kface/{([^}]*)}\.py" = "py37"', text).group(1).split(",")
    assert top == sorted(path.stem for path in (SOURCES / "kface").glob("*.py"))
    rooms = re.search(r'"src/kface/{([^}]*)}/\*\*" = "py37"', text).group(1).split(",")
    there = {path.parent.relative_to(SOURCES / "kface").as_posix() for path in (SOURCES / "kface").rglob("__init__.py")}
    core = {room for room in there if "/" not in room and room not in ("data", "evaluation", "kisa", ".")}
    assert core | {"data/layout", "data/protocols", "data/sample"} == set(rooms)


def test_the_archive_for_a_board_holds_what_its_code_imports():
    from deploy.jetson.archive import WORKSTATION as LEFT_OUT

    packages = [name.replace("/", ".").replace(".py", "") for name in LEFT_OUT]
    shipped = [
        module for module in EVERY if module.partition(".")[0] in ("kface", "deploy") and not inside(module, packages)
    ]
    wrong = [
        f"{module}, line {line}: {name}"
        for module in shipped
        for line, name, _ in IMPORTS[module]
        if inside(name, packages)
    ]
    assert not wrong
