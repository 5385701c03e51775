"""From settings to a session: opens the bundle, the gallery and the stream, each with an error of its own."""

import contextlib
import os
import sys
from typing import Any, Callable, Iterator

import numpy as np

from deploy.outputs import JsonLines, Snapshots, VideoOutput
from deploy.session import Session
from deploy.settings import DeploySettings
from deploy.terminal import say
from kface import bundle
from kface.gallery import open_gallery
from kface.recognizer import FaceRecognizer
from kface.sample.clip import clip_path, write_clip
from kface.streams import Change, Stream, StreamSettings, VideoFile

#: Frames a second of an annotated video whose stream does not say.
FPS = 25.0
#: The synthetic sample's clip is drawn once, here.
CLIPS = os.path.join("data", "clips")


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
        recognizer = stack.enter_context(
            FaceRecognizer.load(
                settings.bundle,
                settings.runtime,
                settings.precision,
                detector=settings.detector,
                match=settings.match,
            )
        )
        manifest = bundle.load(settings.bundle, check="sizes").manifest
        given = settings.gallery
        gallery = stack.enter_context(
            open_gallery(given.file, recognizer.fingerprint, given.key_file, given.keyring, create=True)
        )
        # Another model's gallery, or a damaged one, is refused now and not at the first face.
        gallery.match(np.eye(1, recognizer.embedder.size, dtype=np.float32))
        stream = settings.stream or _sample(settings)
        video = VideoFile(stream) if settings.every_frame else None
        rate = float(stream.fps or FPS)
        if video is not None:
            # A file has no more frames than it has, whatever is asked for.
            rate = min(float(stream.fps or video.fps), video.fps)

        def source(on_state: Callable[[Change], None]) -> Any:
            # The sample's clip stands for a camera, which does not end.
            return video or Stream(stream, on_state, loop=settings.loop or settings.stream is None)

        session = Session(
            settings,
            recognizer,
            gallery,
            source,
            "synthetic sample" if settings.stream is None else stream.uri,
            drop=video is None,
            model=manifest.name,
            thresholds=manifest.thresholds,
        )
        stack.callback(session.stop)
        _add_outputs(session, settings, rate, live=video is None)
        yield session


def _sample(settings: DeploySettings) -> StreamSettings:
    if not clip_path(CLIPS).is_file():
        say("deploy: drawing a clip of the synthetic sample, once; that takes some seconds", sys.stderr)
    return StreamSettings("file", file=str(write_clip(CLIPS)), view=settings.view)


def _add_outputs(session: Session, settings: DeploySettings, rate: float, live: bool) -> None:
    outputs = settings.outputs
    if outputs.video is not None:
        session.add_output(VideoOutput(outputs.video, rate, live))
    if outputs.json is not None:
        session.add_output(JsonLines(outputs.json, outputs.json_lines == "frames"))
    if outputs.snapshots is not None:
        session.add_output(Snapshots(outputs.snapshots, outputs.snapshot_of, outputs.snapshots_kept))
