"""A bundle at work for a gallery: its networks, the pipeline of the stream that is watched, and the thresholds."""

import threading
from typing import Optional

from deploy.settings import DeploySettings
from kface.bundle import Thresholds
from kface.gallery import Enrolment, Gallery
from kface.recognizer import FaceRecognizer, OperatingPoint, Pipeline, PipelineSettings, TrackSettings
from kface.recognizer.operating_point import bound


class Recognition(object):
    """What a session recognises with. Methods may be called from any thread but for those that say otherwise.

    Args:
        settings: How.
        gallery: Who is enrolled.
        recognizer: Finds and embeds faces.
        model: The bundle's name.
        thresholds: The bundle's table, for the FMR that a threshold stands for.

    Attributes:
        gallery: As given.
        recognizer: The one that is used now.
        model: Likewise.
        thresholds: Likewise.
        operating_point: The thresholds in force: those that were set, or what the bundle recommends for the number of people.
        pipeline: That of the stream that is watched now.
        networks: Held while the recogniser or the pipeline is used: networks are one thread's at a time.

    Raises:
        ConfigError: The bundle has no thresholds, and none are given.
    """

    def __init__(
        self,
        settings: DeploySettings,
        gallery: Gallery,
        recognizer: FaceRecognizer,
        model: str,
        thresholds: Optional[Thresholds],
    ) -> None:
        self.gallery = gallery
        self.recognizer = recognizer
        self.model = model
        self.thresholds = thresholds
        self.operating_point: OperatingPoint = recognizer.operating_point_for(gallery.size)
        self._set = False
        self.networks = threading.Lock()
        self._settings = settings
        self._pipeline = settings.pipeline
        self.begin_again()

    @property
    def tracks(self) -> Optional[TrackSettings]:
        """How faces are followed; None where each frame is decided by itself."""
        return self._pipeline.tracks

    def set_pipeline(self, pipeline: PipelineSettings) -> None:
        """Process frames in another way with the next :meth:`begin_again`; :attr:`networks` is held by the caller."""
        self._pipeline = pipeline

    def begin_again(self) -> None:
        """Begin with new tracks; :attr:`networks` is held by the caller."""
        self.pipeline = Pipeline(self.recognizer, self.gallery, self._pipeline)
        self.pipeline.set_operating_point(self.operating_point)

    def change_bundle(
        self,
        recognizer: FaceRecognizer,
        model: str,
        thresholds: Optional[Thresholds],
        gallery: Optional[Gallery] = None,
    ) -> FaceRecognizer:
        """See :meth:`deploy.session.Session.change_bundle`; :attr:`networks` is held by the caller."""
        gallery = self.gallery if gallery is None else gallery
        operating_point = recognizer.operating_point_for(gallery.size)
        gallery.use_model(recognizer.fingerprint)
        self.gallery = gallery
        old, self.recognizer = self.recognizer, recognizer
        if recognizer.fingerprint != old.fingerprint:
            self.operating_point, self._set = operating_point, False
        self.model, self.thresholds = model, thresholds
        self.begin_again()
        return old

    def set_threshold(self, recognised: float, unknown: Optional[float]) -> None:
        """See :meth:`deploy.session.Session.set_threshold`."""
        OperatingPoint(recognised, recognised if unknown is None else unknown).check()
        # Not while another pipeline takes its place: that one would not hear of it.
        with self.networks:
            lower = min(self.operating_point.unknown, recognised) if unknown is None else unknown
            self.operating_point, self._set = (
                OperatingPoint(recognised, lower, bound(self.thresholds, recognised)),
                True,
            )
            self.pipeline.set_operating_point(self.operating_point)

    def people_changed(self) -> None:
        """Let the tracks' views vote again, because people have changed; the more are enrolled, the stricter the threshold."""
        with self.networks:
            if not self._set:
                self.operating_point = self.recognizer.operating_point_for(self.gallery.size)
                self.pipeline.set_operating_point(self.operating_point)
            self.pipeline.gallery_changed()

    def enrolment(self) -> Enrolment:
        """Return what enrols with the recogniser."""
        return Enrolment(
            self.gallery,
            self.recognizer,
            self._settings.enrolment,
            self._settings.gallery.keep_crops,
            self.networks,
            lambda: self.operating_point.recognised,
        )
