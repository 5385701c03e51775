"""One archive with everything that a board needs: equal files make equal bytes."""

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Tuple, Union
from urllib.parse import urlsplit

import deploy
import kface
from deploy.configuration import write_file
from deploy.jetson.releases import SUMS, sums_text
from deploy.settings import DeploySettings
from kface import bundle
from kface.bundle.manifest import FILE as MANIFEST
from kface.errors import ConfigError
from kface.files import sha256_bytes, write_atomic

PathLike = Union[str, "os.PathLike[str]"]

PACKAGES = ("kface", "deploy")
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
    """

    path: Path
    release: str
    files: int
    size: int


def settings_for_board(settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Return settings without what is this machine's own: its bundle, and credentials.

    Args:
        settings: As :func:`deploy.configuration.resolve` returns them.

    Raises:
        ConfigError: They hold a password, or the recogniser would refuse them.
    """
    made = {key: value for key, value in settings.items() if key not in ("hydra", "bundle")}
    stream = dict(made.get("stream") or {})
    if stream.pop("password", None) or urlsplit(str(made.get("source") or "")).password:
        raise ConfigError(
            "a password does not go into the archive", "stream.password", "set KFACE_STREAM_PASSWORD on the board"
        )
    stream.pop("id", None)
    if "stream" in made:
        made["stream"] = stream
    source = str(made.get("source") or "")
    if urlsplit(source).scheme.lower() == "rtsp" and "@" in urlsplit(source).netloc:
        made["source"] = source.replace(urlsplit(source).netloc, urlsplit(source).netloc.rpartition("@")[2], 1)
    DeploySettings.from_mapping(dict(made, bundle="bundle"))
    return made


def pack(bundle_directory: PathLike, settings: Mapping[str, Any], out: PathLike) -> Packed:
    """Write the archive.

    Args:
        bundle_directory: An exported model; every file is compared with its hash first.
        settings: For the board: see :func:`settings_for_board`.
        out: The archive's path, or a directory that it goes into.

    Raises:
        ConfigError: Settings cannot be, or the archive cannot be written.
        ModelError: The bundle is not what was exported.
    """
    contents = _contents(bundle_directory, settings)
    sums = {name: sha256_bytes(data) for name, (data, _) in contents.items()}
    text = sums_text(sums).encode("utf-8")
    contents[SUMS] = (text, 0o644)
    release = "{}-{}".format(kface.__version__, sha256_bytes(text)[:12])
    path = Path(out)
    if path.is_dir() or not path.name.endswith((".tar.gz", ".tgz")):
        path = path / "kface-{}.tar.gz".format(release)
    data = _compress("kface-" + release, contents)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    except OSError as error:
        raise ConfigError("cannot be written ({})".format(error.strerror or error), path, "give another --out")
    return Packed(path, release, len(contents), len(data))


def _contents(bundle_directory: PathLike, settings: Mapping[str, Any]) -> Dict[str, Tuple[bytes, int]]:
    """Return bytes and mode of each file by its name in the archive."""
    opened = bundle.load(bundle_directory)
    made: Dict[str, Tuple[bytes, int]] = {}
    for name in sorted({file.path for file in opened.manifest.files} | {MANIFEST}):
        data = _read(Path(opened.directory) / name)
        made["bundle/" + name] = (data, 0o644)
    for file in opened.manifest.files:
        # What goes out is what was checked, even if somebody exports meanwhile.
        if sha256_bytes(made["bundle/" + file.path][0]) != file.sha256:
            raise ConfigError("changed while it was packed", opened.directory, "pack again")
    sources = Path(deploy.__file__).resolve().parent.parent
    for package in PACKAGES:
        made.update(_sources(sources, package))
    files = Path(__file__).resolve().parent / "files"
    for name in TOP:
        made[name] = (_read(files / name), 0o755 if name in EXECUTABLE else 0o644)
    # A checkout has them; a package that pip installed has not.
    for name in DOCKER:
        path = sources.parent / name
        if path.is_file():
            made[name] = (_read(path), 0o644)
    head = "# The settings of the recogniser on this board; sudo systemctl restart kface after a change.\n"
    head += "# User and password of a camera do not belong here: /etc/kface/environment has them.\n"
    made["deploy.yaml"] = ((head + write_file(settings_for_board(settings))).encode("utf-8"), 0o644)
    return made


def _sources(root: Path, package: str) -> Dict[str, Tuple[bytes, int]]:
    made = {}
    for folder, folders, names in os.walk(str(root / package)):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or name.endswith(_MADE):
                continue
            path = Path(folder) / name
            if path.is_symlink():
                raise ConfigError("is a link", path, "put the file itself there")
            inside = "src/{}".format(path.relative_to(root).as_posix())
            made[inside] = (_read(path), 0o755 if inside.endswith(".sh") else 0o644)
    return made


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError("cannot be read ({})".format(error.strerror or error), path)


def _compress(top: str, contents: Mapping[str, Tuple[bytes, int]]) -> bytes:
    stream = io.BytesIO()
    packing = gzip.GzipFile("", "wb", 6, stream, mtime=0)
    with packing as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        folders = {top}
        for name in sorted(contents):
            parts = "{}/{}".format(top, name).split("/")
            for depth in range(1, len(parts)):
                folders.add("/".join(parts[:depth]))
        for folder in sorted(folders):
            entry = _entry(folder, 0o755)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for name in sorted(contents):
            data, mode = contents[name]
            entry = _entry("{}/{}".format(top, name), mode)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    entry.mtime = _TIME
    entry.uname = entry.gname = "root"
    return entry
