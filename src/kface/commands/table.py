"""The table of commands: their names, descriptions, modules, and required packages.

A module is named as a string and imported when its command is run, so that each command needs only its own packages, and kface
imports nothing that depends on it.
"""

import importlib
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

#: The directory of kface and of the packages beside it.
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
Exits = Tuple[Tuple[int, str], ...]
#: Exit statuses of commands without a list of their own.
EXITS: Exits = (
    (0, "done"),
    (2, "refused or failed: one line says why, and what to do"),
    (130, "stopped by Ctrl-C"),
)


def _partly(meaning: str) -> Exits:
    return (EXITS[0], (1, meaning)) + EXITS[1:]


class Command(NamedTuple):
    """A command.

    Attributes:
        about: Description in a few words.
        module: With ``main(argv) -> exit status`` and ``parser()``; or, for a stage, with ``main(config)``.
        stage: The root file in ``conf/`` with its settings.
        hydra: Whether Hydra runs it: its arguments are only settings.
        extra: The extra of ``pyproject.toml`` with its packages: ``pip install kface[extra]``.
        board: Whether a board has it.
        hidden: Groups of the stage that do not apply to it.
        only: The stage's settings and groups that it takes; empty for all.
        exits: (status, meaning).
        examples: Command lines; empty where the stage's file or the parser has them.
    """

    about: str
    module: str
    stage: Optional[str] = None
    hydra: bool = False
    extra: Optional[str] = None
    board: bool = False
    hidden: Tuple[str, ...] = ()
    only: Tuple[str, ...] = ()
    exits: Exits = EXITS
    examples: Tuple[str, ...] = ()


#: In the order of their use.
COMMANDS: Dict[str, Command] = {
    "sample": Command(
        "write the synthetic, K-Face-shaped sample",
        "kface.data.corpora",
        stage="dataset",
        hydra=True,
        extra="data",
        only=("corpus", "data_dir", "jobs", "progress"),
        examples=("kface sample", "kface sample corpus=sample-small", "kface sample corpus.identities=200 jobs=4"),
    ),
    "dataset": Command(
        "detect, align and shard a corpus into 112x112 faces",
        "kface.data.dataset.__main__",
        stage="dataset",
        hydra=True,
        extra="data",
        hidden=("backbone", "loss", "optimizer"),
    ),
    "train": Command(
        "the main job: corpus, data set, training, a row of Table 5",
        "train.__main__",
        stage="train",
        hydra=True,
        extra="train",
    ),
    "evaluate": Command(
        "verify a run, a bundle or an ONNX file on test sets",
        "train.evaluate",
        stage="evaluate",
        hydra=True,
        extra="train",
    ),
    "table5": Command(
        "print all runs' rows of Table 5 beside the paper's; table5 run: train its six cells and write the table",
        "train.table5",
        extra="train",
        exits=_partly("table5 run: a cell is not finished; the others are, and the table is written"),
    ),
    "kisa": Command(
        "KISA's certification test: four categories against the criteria, and a report",
        "kface.kisa.__main__",
        stage="kisa",
        hydra=True,
        extra="kisa",
        exits=_partly("with strict=true: a category fails, or could not be measured"),
    ),
    "export": Command(
        "make a bundle of a run or of another network: ONNX, .pb, UFF, INT8, thresholds, model card",
        "export.__main__",
        stage="export",
        hydra=True,
        extra="train,export",
    ),
    "deploy": Command(
        "recognise people in a stream",
        "deploy.run_command",
        stage="deploy",
        extra="deploy",
        board=True,
        exits=(
            (0, "the stream ended or was stopped"),
            (1, "an output failed"),
            EXITS[1],
            (3, "frames of a video file were damaged or missing"),
            EXITS[2],
        ),
    ),
    "app": Command(
        "recognise people in a window: see, register, rename, choose streams and models",
        "deploy.app.command",
        stage="deploy",
        extra="app",
        board=True,
        examples=("kface app", "kface app source=rtsp://10.0.0.7/live", "kface app stream=csi"),
    ),
    "enrol": Command(
        "enrol a face that a running recogniser sees",
        "deploy.enrol_command",
        extra="deploy",
        board=True,
        exits=_partly("the face is not good enough: the reasons are printed"),
    ),
    "gallery": Command(
        "enrol, list, rename, merge, delete, export, import and match people",
        "deploy.gallery_command",
        extra="deploy",
        board=True,
        exits=_partly("an image was refused, or a part of the gallery cannot be used: each is printed with its reason"),
    ),
    "bench": Command(
        "measure detector, embedder and streams on this machine: Tables 8 and 9",
        "deploy.bench_command",
        extra="deploy",
        board=True,
    ),
    "pack": Command(
        "make the archive for a Jetson, and install it there",
        "deploy.jetson.pack_command",
        stage="deploy",
        extra="deploy",
    ),
    "engines": Command(
        "build TensorRT engines on this device, and compare them with the ONNX files",
        "kface.tensorrt.__main__",
        board=True,
        exits=_partly("an engine differs from its ONNX file"),
    ),
    "check": Command(
        "check the runtimes that are installed here against a bundle's golden pictures and embeddings",
        "kface.check.__main__",
        board=True,
        exits=_partly("a runtime computes something else"),
    ),
    "completion": Command(
        "print a script that completes commands, settings and file names in a shell",
        "kface.commands.completion",
        board=True,
    ),
}
#: Former names, which still work.
ALIASES = {"run": "deploy"}


def on_board() -> bool:
    """Return whether this is an archive for a board, which contains only kface and deploy."""
    # Beside this package: other installations, and the current directory, do not count.
    return not os.path.isfile(os.path.join(SOURCE, "train", "__init__.py"))


def available() -> List[str]:
    """Return the names of the commands that this installation has."""
    board = on_board()
    return [name for name, command in COMMANDS.items() if command.board or not board]


def load(command: Command) -> Any:
    """Import a command's module."""
    return importlib.import_module(command.module)
