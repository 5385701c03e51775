"""One archive with everything that a board needs: equal files make equal bytes."""

import gzip
import hashlib
import io
import os
import re
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any, Dict, Mapping, NamedTuple, Optional, Union

import deploy
import kface
from deploy.configuration import write_file
from deploy.jetson.board_bundle import BoardBundle, for_board
from deploy.jetson.releases import SUMS, sums_text
from deploy.settings import DeploySettings
from kface import bundle
from kface.bundle.manifest import FILE as MANIFEST
from kface.commands import conf
from kface.commands.table import COMMANDS
from kface.errors import ConfigError
from kface.files import sha256_bytes
from kface.native.loading import BESIDE

PathLike = Union[str, "os.PathLike[str]"]

PACKAGES = ("kface", "deploy")
#: What only a workstation uses.
WORKSTATION = (
    "kface/data/dataset",
    "kface/data/testsets",
    "kface/data/corpora.py",
    "kface/data/exclusion.py",
    "kface/data/mixture.py",
    "kface/evaluation",
    "kface/kisa",
)
#: What the archive has at its top, beside ``src``, ``bundle`` and ``deploy.yaml``; all of them are in ``files``.
TOP = ("README.txt", "environment", "install.sh", "kface", "kface.service")
EXECUTABLE = ("install.sh", "kface")
#: The way by a container.
DOCKER = ("docker/Dockerfile", "docker/compose.yaml")
#: What is made on a machine and for it.
_MADE = (".pyc", ".pyo", ".so", ".dylib", ".dll", ".engine", "~")
#: 1980-01-01: a board without a clock starts later than this, and tar thinks nothing of it.
_TIME = 315532800


class Packed(NamedTuple):
    """An archive that was written.

    Attributes:
        path: Where it is.
        release: Its release's name, the archive's only top directory.
        files: How many files it has.
        size: In bytes.
        bundle: What of the bundle is in it.
    """

    path: Path
    release: str
    files: int
    size: int
    bundle: BoardBundle


def settings_for_board(settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Return settings without what is this machine's own: its bundle, and credentials.

    Args:
        settings: As :func:`deploy.configuration.resolve` returns them.

    Raises:
        ConfigError: They hold a password, or the recogniser would refuse them.
    """
    made = {key: value for key, value in settings.items() if key not in ("hydra", "bundle")}
    watched = DeploySettings.from_mapping(dict(made, bundle="bundle")).stream
    stream = dict(made.get("stream") or {})
    if stream.pop("password", None) or (watched is not None and watched.password):
        raise ConfigError(
            "a password must not go into the archive", "stream.password", "set KFACE_STREAM_PASSWORD on the board"
        )
    stream.pop("id", None)
    if "stream" in made:
        made["stream"] = stream
    if isinstance(made.get("source"), str):
        made["source"] = re.sub(r"(?i)\A(rtsp://)[^/?#]*@", r"\1", made["source"])
    return made


def pack(bundle_directory: PathLike, settings: Mapping[str, Any], out: PathLike, whole: bool = False) -> Packed:
    """Write the archive.

    Args:
        bundle_directory: An exported model; every file is compared with its hash first.
        settings: For the board: see :func:`settings_for_board`.
        out: The archive's path, or a directory that it goes into.
        whole: Whether the bundle's files that no board uses go into it too; see :func:`deploy.jetson.board_bundle.for_board`.

    Raises:
        ConfigError: Settings cannot be, or the archive cannot be written.
        ModelError: The bundle is not what was exported.
    """
    for_this_board = settings_for_board(settings)
    opened = bundle.load(bundle_directory)
    precision = DeploySettings.from_mapping(dict(for_this_board, bundle="bundle")).precision
    chosen = for_board(opened, _read(Path(opened.directory) / MANIFEST), precision, whole)
    contents = _contents(Path(opened.directory), chosen, for_this_board)
    sums = {name: file.sha256 for name, file in contents.items()}
    text = sums_text(sums).encode("utf-8")
    contents[SUMS] = _made(text)
    release = "{}-{}".format(kface.__version__, sha256_bytes(text)[:12])
    path = Path(out)
    if path.is_dir() or not path.name.endswith((".tar.gz", ".tgz")):
        path = path / "kface-{}.tar.gz".format(release)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=str(path.parent))
        try:
            with os.fdopen(handle, "wb") as stream:
                _compress("kface-" + release, contents, stream)
            os.chmod(temporary, 0o644)
            os.replace(temporary, str(path))
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise ConfigError("cannot be written ({})".format(error.strerror or error), path, "choose another --out")
    return Packed(path, release, len(contents), path.stat().st_size, chosen)


class _File(NamedTuple):
    """A file for the archive: its hash and mode, and its bytes or, where it may be large, where they are."""

    sha256: str
    mode: int
    data: bytes = b""
    path: Optional[Path] = None


def _made(data: bytes, mode: int = 0o644) -> _File:
    return _File(sha256_bytes(data), mode, data)


def _contents(directory: Path, chosen: BoardBundle, settings: Mapping[str, Any]) -> Dict[str, _File]:
    """Return each file by its name in the archive."""
    made: Dict[str, _File] = {"bundle/" + MANIFEST: _made(chosen.text)}
    for file in chosen.kept:
        made["bundle/" + file.path] = _File(file.sha256, 0o644, path=directory / file.path)
    if chosen.card is not None:
        made["bundle/" + chosen.card[0]] = _made(chosen.card[1])
    sources = Path(deploy.__file__).resolve().parent.parent
    for package in PACKAGES:
        made.update(_sources(sources, package))
    # For the manual pages and completion; the settings themselves are in deploy.yaml.
    configuration = conf.configuration_directory()
    for stage in sorted({command.stage for command in COMMANDS.values() if command.board and command.stage}):
        for name in conf.stage_files(stage):
            made["src/kface/conf/" + name] = _made(_read(configuration / name))
    files = Path(__file__).resolve().parent / "files"
    for name in TOP:
        made[name] = _made(_read(files / name), 0o755 if name in EXECUTABLE else 0o644)
    # A checkout has them; a package that pip installed has not.
    for name in DOCKER:
        path = sources.parent / name
        if path.is_file():
            made[name] = _made(_read(path))
    head = "# Settings of the recogniser on this board. After a change: sudo systemctl restart kface\n"
    head += "# A camera's user and password belong in /etc/kface/environment, not here.\n"
    made["deploy.yaml"] = _made((head + write_file(settings)).encode("utf-8"))
    return made


def _sources(root: Path, package: str) -> Dict[str, _File]:
    made = {}
    for folder, folders, names in os.walk(str(root / package)):
        # In a checkout kface/conf is a link, in an installation it is not.
        left_out = [root / name for name in WORKSTATION]
        folders[:] = sorted(
            name
            for name in folders
            if name not in ("__pycache__", "conf") and not name.startswith(".") and Path(folder) / name not in left_out
        )
        # Kernels that were compiled for this machine are of no use there.
        for name in sorted(set(names) - {BESIDE}):
            path = Path(folder) / name
            if name.startswith(".") or name.endswith(_MADE) or path in left_out:
                continue
            if path.is_symlink():
                raise ConfigError("is a link", path, "replace it by the file itself")
            inside = "src/{}".format(path.relative_to(root).as_posix())
            made[inside] = _made(_read(path), 0o755 if inside.endswith(".sh") else 0o644)
    return made


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError("cannot be read ({})".format(error.strerror or error), path)


def _compress(top: str, contents: Mapping[str, _File], stream: IO[bytes]) -> None:
    packing = gzip.GzipFile("", "wb", 6, stream, mtime=0)
    with packing as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        folders = {top}
        for name in contents:
            parts = "{}/{}".format(top, name).split("/")
            folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
        for folder in sorted(folders):
            entry = _entry(folder, 0o755)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for name, file in sorted(contents.items()):
            _add(archive, "{}/{}".format(top, name), file)


def _add(archive: tarfile.TarFile, name: str, file: _File) -> None:
    entry = _entry(name, file.mode)
    with io.BytesIO(file.data) if file.path is None else open(str(file.path), "rb") as source:
        entry.size = source.seek(0, os.SEEK_END)
        source.seek(0)
        reader = _Hashing(source)
        archive.addfile(entry, reader)
    # What is packed is what was checked, even if another export runs meanwhile.
    if reader.sha256.hexdigest() != file.sha256:
        raise ConfigError("changed while being packed", file.path, "pack again")


class _Hashing(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, source: IO[bytes]) -> None:
        super(_Hashing, self).__init__()
        self._source = source
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.sha256.update(data)
        return data


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    entry.mtime = _TIME
    entry.uname = entry.gname = "root"
    return entry
