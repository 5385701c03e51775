"""One stream on its way through a session: from its source through the networks to the publisher."""

from typing import Any, Callable, Optional, Tuple

from kface.errors import KFaceError
from kface.recognizer import Pipeline, Result, Runner
from kface.recognizer.runner import Counts
from kface.streams import Frame, State, VideoSource

#: A result with the pipeline that it comes from: another pipeline numbers its tracks from 1 again.
TaggedResult = Tuple[Pipeline, Result]
#: Makes a frame a result; None where the line is not the session's any more.
Step = Callable[["Line", Frame], Optional[TaggedResult]]
NOTHING = Counts(0, 0, 0, 0, 0)


class Line(object):
    """A source, and the threads that take its frames through the networks.

    Args:
        source: Gives the frames; the line's alone.
        name: What it is called, without credentials.
        complete: Whether each frame is processed; otherwise frames give way to newer ones.
        step: Makes results of frames; called from one thread.
        publish: Takes them; called from another.

    Attributes:
        source: As given.
        name: As given.
        complete: As given.
        runner: Runs it.
    """

    def __init__(
        self,
        source: VideoSource,
        name: str,
        complete: bool,
        step: Step,
        publish: Callable[["Line", Pipeline, Result], None],
    ) -> None:
        self.source = source
        self.name = name
        self.complete = complete
        self._step = step
        self._publish = publish
        # To the runner a pipeline is what has a method process; its result goes from there to _take as it is.
        line: Any = self
        take: Any = self._take
        self.runner = Runner(source, line, take, not complete)

    def process(self, frame: Frame) -> Optional[TaggedResult]:
        """Recognise the people in the next frame; the runner calls this."""
        return self._step(self, frame)

    def state(self, closed: bool) -> Tuple[str, str]:
        """Return the stream's state and the reason for it.

        Args:
            closed: Whether the session has ended.
        """
        state = State.CLOSED if closed else self.source.state
        if state is State.ENDED and self.runner.running:
            # Its last frames are on their way.
            state = State.LIVE
        return state.value, self.source.reason

    def end(self) -> Optional[KFaceError]:
        """End it, and return what was wrong with it; the session goes on with another one all the same."""
        try:
            self.runner.stop()
        except KFaceError as error:
            return error
        return None

    def _take(self, made: Optional[TaggedResult]) -> None:
        if made is not None:
            self._publish(self, *made)


def added(one: Counts, other: Counts) -> Counts:
    """Return what became of two streams' frames."""
    return Counts(*(a + b for a, b in zip(one, other)))
