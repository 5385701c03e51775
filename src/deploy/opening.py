"""From settings to a session: opens the bundle, the gallery and the stream, each with an error of its own."""

import contextlib
import os
import sys
from typing import Callable, Iterator, NamedTuple, Tuple

import numpy as np

from deploy.outputs import OutputStream
from deploy.session import Session
from deploy.settings import DeploySettings
from deploy.terminal import print_line
from deploy.watching import SourceMaker
from kface import bundle
from kface.bundle.manifest import BundleManifest
from kface.data.sample.clip import clip_path, write_clip
from kface.errors import KFaceError
from kface.gallery import open_gallery
from kface.recognizer import FaceRecognizer
from kface.streams import VIEW_SIZES, Stream, StreamSettings, VideoFile

#: Frames a second of an annotated video whose stream does not say.
FPS = 25.0
#: The synthetic sample's clip is drawn once, here.
CLIPS = os.path.join("data", "clips")


class Opened(NamedTuple):
    """A stream as the settings have it.

    Attributes:
        make: Makes the source; takes what to call with each change of its state.
        name: What it is called, without credentials.
        complete: Whether it is read without loss.
        fps: Frames a second of a video of it.
        close: Gives back what was opened so far, where no session takes it.
    """

    make: SourceMaker
    name: str
    complete: bool
    fps: float
    close: Callable[[], None]


@contextlib.contextmanager
def open_session(settings: DeploySettings) -> "Iterator[Session]":
    """Open everything, give the session to the caller before it starts, and close everything at the end.

    Raises:
        KFaceError: A file, camera or setting cannot be used; it is named.

    Example:
        >>> with open_session(settings) as session:  # doctest: +SKIP
        ...     session.start().wait()
    """
    with contextlib.ExitStack() as stack:
        recognizer, manifest = open_bundle(settings)
        stack.callback(recognizer.close)
        given = settings.gallery
        gallery = stack.enter_context(
            open_gallery(given.file, recognizer.fingerprint, given.key_file, given.keyring, create=True)
        )
        # Another model's gallery, or a damaged one, is refused now and not at the first face.
        gallery.match(np.eye(1, recognizer.embedder.size, dtype=np.float32))
        opened = open_stream(settings)
        # The session closes it as well; here it may yet fail to come to be.
        stack.callback(opened.close)
        session = Session(
            settings,
            recognizer,
            gallery,
            opened.make,
            opened.name,
            drop=not opened.complete,
            model=manifest.name,
            thresholds=manifest.thresholds,
        )
        # It may have changed its bundle and its gallery by then.
        stack.callback(_close_bundle, session)
        stack.callback(_close_gallery, session)
        stack.callback(session.stop)
        for chosen in settings.outputs.chosen:
            stream = OutputStream(opened.fps, not opened.complete)
            session.add_output(chosen.output.open(chosen.options, stream))
        yield session


def open_bundle(settings: DeploySettings) -> Tuple[FaceRecognizer, BundleManifest]:
    """Open the bundle of the settings, and return its recogniser and its manifest."""
    # The manifest goes first: were it refused afterwards, the recogniser would stay open.
    manifest = bundle.load(settings.bundle, check="sizes").manifest
    recognizer = FaceRecognizer.load(
        settings.bundle, settings.runtime, settings.precision, detector=settings.detector, match=settings.match
    )
    return recognizer, manifest


def open_stream(settings: DeploySettings) -> Opened:
    """Open the stream of the settings, as far as that is possible before it starts."""
    stream = settings.stream or _sample(settings)
    name = "synthetic sample" if settings.stream is None else stream.uri
    if settings.every_frame:
        video = VideoFile(stream)
        # A file has no more frames than it has, whatever is asked for.
        return Opened(lambda _: video, name, True, min(float(stream.fps or video.fps), video.fps), video.close)
    # The sample's clip stands for a camera, which does not end.
    loop = settings.loop or settings.stream is None
    fps = float(stream.fps or FPS)
    return Opened(lambda on_state: Stream(stream, on_state, loop=loop), name, False, fps, lambda: None)


def change_stream(session: Session, settings: DeploySettings) -> None:
    """Let a session watch the stream of other settings; see :meth:`deploy.session.Session.change_stream`."""
    opened = open_stream(settings)
    try:
        session.change_stream(opened.make, opened.name, drop=not opened.complete)
    except KFaceError:
        opened.close()
        raise
    session.settings = session.settings._replace(
        stream=settings.stream, loop=settings.loop, every_frame=settings.every_frame
    )


def change_settings(session: Session, settings: DeploySettings) -> None:
    """Let a session go on with the stream, the view and the pipeline of other settings, as far as they differ from its own.

    A file that has ended, and a stream that has failed, begin again even where they do not differ.

    Raises:
        KFaceError: The stream cannot be opened, a setting is out of its range, or the session has ended. Nothing has changed
            then.
    """
    settings.pipeline.check()
    before = session.settings
    if _watched(settings) != _watched(before) or not session.running:
        change_stream(session, settings)
    if settings.pipeline != before.pipeline:
        session.change_pipeline(settings.pipeline)
    if settings.view != before.view:
        session.change_view(settings.view)


def _watched(settings: DeploySettings) -> Tuple[object, ...]:
    stream = settings.stream
    # The view is the session's.
    stream = None if stream is None else stream._replace(view=VIEW_SIZES[0])
    return stream, settings.loop, settings.every_frame


def change_bundle(session: Session, settings: DeploySettings) -> None:
    """Let a session recognise with the bundle of other settings, and close the one before.

    See :meth:`deploy.session.Session.change_bundle`.
    """
    recognizer, manifest = open_bundle(settings)
    try:
        old = session.change_bundle(recognizer, manifest.name, manifest.thresholds)
    except KFaceError:
        recognizer.close()
        raise
    session.settings = session.settings._replace(
        bundle=settings.bundle,
        runtime=settings.runtime,
        precision=settings.precision,
        detector=settings.detector,
        match=settings.match,
    )
    old.close()


def _close_bundle(session: Session) -> None:
    session.recognizer.close()


def _close_gallery(session: Session) -> None:
    session.gallery.close()


def _sample(settings: DeploySettings) -> StreamSettings:
    if not clip_path(CLIPS).is_file():
        print_line("deploy: rendering a clip of the synthetic sample (once, takes a few seconds)", sys.stderr)
    return StreamSettings("file", file=str(write_clip(CLIPS)), view=settings.view)
