"""Opens a teacher: an ONNX file or a bundle, by ONNX Runtime."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kface import bundle
from kface.bundle.newest import bundle_manifests
from kface.errors import ConfigError, KFaceError, ModelError
from kface.evaluation import foreign
from kface.files import sha256_bytes
from kface.recognizer.embedder import Embedder
from train.distil.settings import PRETRAINED, Distillation

#: Name of the bundle of the pretrained network.
PRETRAINED_NAME = "dlib-resnet"
RUNTIME = "onnxruntime"


class Teacher(NamedTuple):
    """An open teacher.

    Attributes:
        name: For messages.
        fingerprint: Hexadecimal digits that change with its network and with its preprocessing.
        embed: uint8 (n, 112, 112, 3), RGB -> float32 (n, d), of length 1.
        close: Frees it.
    """

    name: str
    fingerprint: str
    embed: Callable[[np.ndarray], np.ndarray]
    close: Callable[[], None]


def find(settings: Distillation) -> Path:
    """Return the file or the bundle that the settings name.

    Raises:
        ConfigError: It does not exist.
    """
    if settings.teacher != PRETRAINED:
        path = Path(settings.teacher).expanduser()
        if not path.exists():
            raise ConfigError(
                "does not exist", f"fit.distil.teacher={settings.teacher}", "give an ONNX file or a bundle"
            )
        return path
    for manifest in sorted(bundle_manifests(), key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            if bundle.load(manifest.parent, "sizes").manifest.name == PRETRAINED_NAME:
                return manifest.parent
        except KFaceError:
            continue
    raise ConfigError(
        "there is no bundle of the pretrained network here",
        f"fit.distil.teacher={PRETRAINED}",
        "make it: kface export embedder=pretrained",
    )


def open_teacher(settings: Distillation) -> Teacher:
    """Open the teacher that the settings name.

    Raises:
        ConfigError: It does not exist, or its preprocessing is set although it is a bundle.
        ModelError: It is damaged, or does not map 112x112 faces to a vector.
    """
    path = find(settings)
    if path.is_dir():
        for key in ("colour", "normalisation", "output"):
            if getattr(settings, key) is not None:
                raise ConfigError("is set by the bundle's manifest", f"fit.distil.{key}", "remove it")
        return _bundle(path)
    if None in (settings.colour, settings.normalisation):
        raise ConfigError(
            "the input that it expects is not known",
            f"fit.distil.teacher={settings.teacher}",
            "add fit.distil.colour and fit.distil.normalisation",
        )
    return _file(path, settings)


def _bundle(directory: Path) -> Teacher:
    loaded = bundle.load(directory)
    # On opening, it embeds the golden faces of the bundle and compares.
    embedder = Embedder(loaded, RUNTIME)

    def embed(faces: np.ndarray) -> np.ndarray:
        found = embedder.run(faces)
        if found.failed.any():
            raise ModelError(f"gives no embedding of {int(found.failed.sum())} faces", directory, "export it again")
        return found.vectors

    return Teacher(loaded.manifest.name, loaded.manifest.fingerprint, embed, embedder.close)


def _file(path: Path, settings: Distillation) -> Teacher:
    assert settings.colour is not None
    preprocessing = foreign.Preprocessing(settings.colour, *settings.normalisation)
    folder = tempfile.TemporaryDirectory(prefix="kface-teacher-")
    try:
        network = foreign.ForeignNetwork(path, Path(folder.name), settings.output, RUNTIME)
    except BaseException:
        folder.cleanup()
        raise

    def embed(faces: np.ndarray) -> np.ndarray:
        values = np.asarray(network.run(faces, preprocessing), np.float32)
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        if not np.isfinite(values).all() or (lengths < 1e-6).any():
            raise ModelError("gives embeddings that are zero or not finite", path, "check fit.distil.normalisation")
        return np.asarray(values / lengths, np.float32)

    def close() -> None:
        network.network.close()
        folder.cleanup()

    fingerprint = sha256_bytes(network.file.data + f"\n{network.layout} {preprocessing}".encode())
    return Teacher(path.name, fingerprint, embed, close)
