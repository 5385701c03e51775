"""Which bundles there are, whether one fits the gallery, and how a running session goes over to it."""

import os
from typing import Callable, List, NamedTuple, Optional, Tuple

from deploy.opening import open_bundle
from deploy.session import Session
from deploy.settings import DeploySettings
from kface import bundle
from kface.bundle import model_card
from kface.bundle.manifest import BundleManifest
from kface.bundle.newest import bundle_manifests
from kface.errors import KFaceError, ModelError
from kface.gallery import Reenrolled, open_gallery

#: Most bytes of a card.
LARGEST_CARD = 1 << 20


class BundleEntry(NamedTuple):
    """A bundle that may be chosen.

    Attributes:
        directory: Its directory.
        name: Its name; the directory's where the bundle cannot be read.
        created: When it was exported, in UTC and ISO 8601; empty where it cannot be read.
        fingerprint: Of its model; empty likewise.
        synthetic: Whether it was trained on the synthetic sample.
        error: Why it cannot be used, in one line; empty where it can.
    """

    directory: str
    name: str
    created: str
    fingerprint: str
    synthetic: bool
    error: str


class Fit(NamedTuple):
    """How a bundle and the gallery of a session go together.

    Attributes:
        fits: Whether the templates are of this model, or there are none.
        people: Number of people enrolled.
        templates: Number of templates.
        crops: How many of these have their crop, and can be computed again.
        lost: Names of those who would have no template left after a re-enrolment that discards.
    """

    fits: bool
    people: int
    templates: int
    crops: int
    lost: Tuple[str, ...]


def list_bundles(more: Tuple[str, ...] = ()) -> List[BundleEntry]:
    """Return the bundles under ``outputs`` and ``bundles`` of the working directory, the newest export first.

    Args:
        more: Directories of further bundles, such as the one in use; those that are listed anyway are not repeated.
    """
    found = [str(path.parent) for path in bundle_manifests()]
    known = {os.path.realpath(path) for path in found}
    for directory in more:
        if directory and os.path.realpath(directory) not in known:
            known.add(os.path.realpath(directory))
            found.append(directory)
    entries = [_entry(directory) for directory in found]
    entries.sort(key=lambda one: (not one.error, one.created), reverse=True)
    return entries


def read_card(directory: str) -> str:
    """Return a bundle's card, Markdown: the file in it, or one made of its manifest where it has none.

    Raises:
        ModelError: It is not a bundle, or cannot be read.
    """
    opened = bundle.load(directory, check="sizes")
    for file in opened.manifest.files:
        if file.role == "card":
            path = opened.path(file.path)
            try:
                with open(str(path), "rb") as card:
                    return card.read(LARGEST_CARD).decode("utf-8", "replace")
            except OSError as error:
                raise ModelError("cannot be read ({})".format(error.strerror or error), path)
    return model_card(opened.manifest)


def fit(session: Session, fingerprint: str) -> Fit:
    """Return how a model and the gallery of a session go together."""
    people = session.people()
    templates, crops = sum(one.templates for one in people), sum(one.crops for one in people)
    fits = fingerprint == session.recognizer.fingerprint or not templates
    lost = () if fits else tuple(one.name for one in people if one.templates and not one.crops)
    return Fit(fits, len(people), templates, crops, lost)


def use_bundle(session: Session, settings: DeploySettings, gallery_file: Optional[str] = None) -> BundleManifest:
    """Recognise with the bundle of some settings from now on, and close the one before.

    Args:
        session: The session.
        settings: Its settings, with another bundle.
        gallery_file: Another gallery, which is made where it is not there; None keeps the gallery.

    Raises:
        KFaceError: The bundle or the gallery cannot be used, or they do not go together. Nothing has changed then.
    """
    recognizer, manifest = open_bundle(settings)
    gallery = None
    try:
        if gallery_file is not None:
            given = settings.gallery
            gallery = open_gallery(gallery_file, recognizer.fingerprint, given.key_file, given.keyring, create=True)
            # Another model's gallery is refused now and not at the first face.
            gallery.refresh()
        old = session.change_bundle(recognizer, manifest.name, manifest.thresholds, gallery)
    except BaseException:
        recognizer.close()
        if gallery is not None:
            gallery.close()
        raise
    old.close()
    # The old gallery is closed once nothing refers to it: a reader of the status may be in the middle of it.
    return manifest


def reenrol_bundle(
    session: Session,
    settings: DeploySettings,
    discard: bool = False,
    progress: Optional[Callable[[int], None]] = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Tuple[BundleManifest, Reenrolled]:
    """Recognise with the bundle of some settings, after computing all templates again from their kept crops.

    Args:
        session: The session.
        settings: Its settings, with another bundle.
        discard: Whether templates without a crop are removed.
        progress: Gets the number of templates that are computed.
        cancelled: Whether to stop; nothing has changed then.

    Raises:
        KFaceError: The bundle cannot be used, it was cancelled, or there are templates without a crop and not to be removed.
            Nothing has changed then.
    """
    recognizer, manifest = open_bundle(settings)
    try:
        old, done = session.face_settings.reenrol(
            recognizer, manifest.name, manifest.thresholds, discard, progress, cancelled
        )
    except BaseException:
        recognizer.close()
        raise
    old.close()
    return manifest, done


def _entry(directory: str) -> BundleEntry:
    try:
        manifest = bundle.load(directory, check="sizes").manifest
    except KFaceError as error:
        return BundleEntry(directory, os.path.basename(directory), "", "", False, str(error))
    return BundleEntry(directory, manifest.name, manifest.created, manifest.fingerprint, manifest.synthetic, "")
