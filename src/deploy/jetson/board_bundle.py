"""What of a bundle goes to a board: the networks that its runtimes read, and a manifest that says so."""

import json
from typing import List, NamedTuple, Optional, Sequence, Tuple

from kface import bundle
from kface.bundle.manifest import CANONICAL, DYNAMIC, BundleFile, BundleManifest, digest, parse
from kface.files import sha256_bytes

#: The newest ONNX operator set that TensorRT 8.2, the original Nano's, reads.
OPSET = 13


class BoardBundle(NamedTuple):
    """A bundle for a board.

    Attributes:
        manifest: Of what is left; templates are comparable with the whole bundle's, since the fingerprint is the same.
        text: The manifest's file.
        card: The model card's path and content; None where the bundle has none, or nothing was left out.
        kept: The files, the card included.
        dropped: What was left out, with the reason.
    """

    manifest: BundleManifest
    text: bytes
    card: Optional[Tuple[str, bytes]]
    kept: Tuple[BundleFile, ...]
    dropped: Tuple[Tuple[BundleFile, str], ...]


def for_board(opened: bundle.Bundle, text: bytes, precision: str = "fp32", whole: bool = False) -> BoardBundle:
    """Choose by the manifest.

    A board's TensorRT takes the ONNX file of the oldest operator set and builds engines of any precision from it; OpenCV, where
    no other runtime is there, takes the frozen graph.

    Args:
        opened: A bundle that was checked.
        text: Its manifest's file.
        precision: The embedder's, as the board's settings ask for it.
        whole: Leave nothing out.
    """
    manifest = opened.manifest
    dropped = [] if whole else _dropped(manifest, precision)
    if not dropped:
        return BoardBundle(manifest, text, None, manifest.files, ())
    gone = {file.path for file, _ in dropped}
    kept = tuple(file for file in manifest.files if file.path not in gone)
    made, card = manifest._replace(files=kept), None
    for file in kept:
        if file.role == "card":
            # It lists the files, and has to be listed with its own hash.
            data = bundle.model_card(made).encode("utf-8")
            card = file.path, data
            listed = file._replace(sha256=sha256_bytes(data), bytes=len(data))
            made = made._replace(files=tuple(listed if one is file else one for one in kept))
    return BoardBundle(made, _text(made), card, made.files, tuple(dropped))


def _dropped(manifest: BundleManifest, precision: str) -> List[Tuple[BundleFile, str]]:
    embedders = [file for file in manifest.files if file.role == "embedder"]
    full = [file for file in embedders if file.format == "onnx" and file.precision == "fp32"]

    def order(file: BundleFile) -> Tuple[object, ...]:
        return file.batch != DYNAMIC, file.opset or 0, not file.normalised, file.path

    # The fingerprint is the canonical file's, whatever its operator set.
    wanted = {CANONICAL, min(full, key=order).path if full else CANONICAL}
    asked = [file for file in embedders if file.precision == precision and file.format == "onnx"]
    if precision != "fp32" and asked:
        wanted.add(min(asked, key=order).path)
    made = []
    for file in embedders:
        reason = (
            None if file.path in wanted else _reason(file, precision, [one for one in embedders if one.path in wanted])
        )
        if reason:
            made.append((file, reason))
    return made


def _reason(file: BundleFile, precision: str, wanted: Sequence[BundleFile]) -> Optional[str]:
    if file.format == "engine":
        return "built for another machine"
    if file.format == "uff":
        return "no runtime of the recogniser reads it: TensorRT uses the ONNX file"
    if file.precision not in ("fp32", precision):
        return "precision {} is set, and TensorRT builds its engines from the fp32 network".format(precision)
    if file.format == "onnx":
        if file.batch != DYNAMIC:
            return "another file accepts any batch size" if any(one.batch == DYNAMIC for one in wanted) else None
        return "the same network in a newer opset" if (file.opset or 0) > OPSET else "the same network again"
    return None


def _text(manifest: BundleManifest) -> bytes:
    document = json.loads(json.dumps(manifest.as_dict(), allow_nan=False))
    document["digest"] = digest(document)
    # What a board would refuse is refused here.
    parse(document, "the manifest for the board")
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")
