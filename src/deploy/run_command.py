"""``python -m deploy run``: the realtime recogniser, until its stream ends or somebody stops it."""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from typing import Any, Iterator, List, Optional

from deploy.configuration import resolve, write_file
from deploy.notify import Notifier
from deploy.opening import open_session
from deploy.session import Session
from deploy.settings import DeploySettings
from deploy.terminal import say
from kface.errors import KFaceError
from kface.streams import State, Stream, StreamError, StreamRefusedError

#: Names a file of settings in place of ``--config``.
CONFIG = "KFACE_CONFIG"
#: Seconds between two looks at whether all is well.
TICK_S = 0.5
#: Seconds that a camera gets to refuse an id or a password, which is told before anything else.
FIRST_S = 10.0


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status: 0, 1 where an output failed, 2 where the recogniser did."""
    arguments = _parser().parse_args(argv)
    try:
        values = resolve(arguments.settings, arguments.config or os.environ.get(CONFIG))
        if arguments.show:
            say(write_file(values).rstrip("\n"))
            return 0
        return run(DeploySettings.from_mapping(values))
    except KFaceError as error:
        say("deploy: {}".format(error), sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("deploy: stopped", sys.stderr)
        return 130


def run(settings: DeploySettings) -> int:
    """Run the recogniser with these settings and return the exit status.

    Raises:
        KFaceError: Something cannot be used, or failed.
    """
    notifier = Notifier()
    stop = threading.Event()
    with _terminated(stop), open_session(settings) as session, contextlib.ExitStack() as stack:
        window = _window(session) if settings.outputs.window else None
        url = _web(session, settings, stack)
        session.start()
        _introduce(session, url)
        teller = threading.Thread(target=_tell, args=(session, stop), name="kface-tell", daemon=True)
        teller.start()
        _refused_at_once(session)
        notifier.ready(session.status.source)
        watch = threading.Thread(
            target=_watch, args=(session, settings, notifier, stop), name="kface-watch", daemon=True
        )
        watch.start()
        try:
            if window is not None:
                window.run()
            else:
                while not stop.is_set() and not session.wait(TICK_S):
                    pass
        finally:
            notifier.stopping()
            stop.set()
            session.stop()
            watch.join(2 * TICK_S + 1)
            teller.join(2 * TICK_S + 1)
        _conclude(session)
        return 1 if session.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy run",
        description="Recognise people in a stream. The settings are those of conf/deploy.yaml.",
        epilog="example: python -m deploy run source=clip.mp4 outputs.json=- web.enabled=false",
    )
    parser.add_argument("settings", metavar="key=value", nargs="*", help="such as source=rtsp://10.0.0.7/live")
    parser.add_argument(
        "--config", metavar="FILE", help="a plain YAML file in place of conf/deploy.yaml; default: " + CONFIG
    )
    parser.add_argument("--show", action="store_true", help="print the settings and do nothing")
    return parser


@contextlib.contextmanager
def _terminated(stop: threading.Event) -> "Iterator[None]":
    """End as on Ctrl-C, but with status 0, where the system asks for it (SIGTERM)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _window(session: Session) -> Any:
    from deploy.window import Window

    return Window(session, "kface")


def _web(session: Session, settings: DeploySettings, stack: contextlib.ExitStack) -> Optional[str]:
    """Start the page where it is asked for, and return its address."""
    if not settings.web.enabled:
        return None
    from deploy.web import WebServer

    server = WebServer(session, settings.web)
    stack.callback(server.close)
    server.start()
    return str(server.url)


def _introduce(session: Session, url: Optional[str]) -> None:
    status = session.status
    people = "{} {} enrolled".format(status.people, "person" if status.people == 1 else "people")
    say("deploy: {} on {}, {}, watching {}".format(status.model, status.runtime, people, status.source), sys.stderr)
    if url is not None:
        say("deploy: the live picture is at {}".format(url), sys.stderr)


def _refused_at_once(session: Session) -> None:
    """Raise where the stream can never play: refused credentials, a camera that is not there. Others may come later."""
    source = session.stream
    if not isinstance(source, Stream):
        return
    try:
        source.wait_live(FIRST_S)
    except StreamError as error:
        if isinstance(error, StreamRefusedError) or source.state is State.ENDED:
            raise
        # Told by the events already; a camera that is off now may come later.


def _tell(session: Session, stop: threading.Event) -> None:
    """Print the stream's states, and outputs that failed."""
    seen = 0
    while True:
        last = stop.is_set()
        for event in session.wait_events(seen, 0 if last else TICK_S):
            seen = event.number
            if event.kind in ("stream", "output") and event.reason not in ("connecting", "closed"):
                say("deploy: {}".format(event.reason), sys.stderr)
        if last:
            return


def _watch(session: Session, settings: DeploySettings, notifier: Notifier, stop: threading.Event) -> None:
    """Tell systemd that all is well, and stop when the time is over."""
    begun = told = time.monotonic()
    while not stop.wait(TICK_S):
        now = time.monotonic()
        if settings.seconds is not None and now - begun >= settings.seconds:
            stop.set()
        if notifier.watchdog is not None and now - told >= notifier.watchdog / 3 and session.running:
            told = now
            status = session.status
            notifier.alive(
                "{}: {}, {:.1f} fps, {} faces".format(status.source, status.stream, status.fps, status.faces)
            )
    # A window waits for its session.
    session.stop()


def _conclude(session: Session) -> None:
    status = session.status
    seconds = max(time.time() - status.started, 1e-3)
    line = "{} frames in {:.1f} s ({:.1f} a second), {} left out for newer ones".format(
        status.processed, seconds, status.processed / seconds, status.skipped
    )
    if status.losses:
        line += ", stream lost {} times".format(status.losses)
    say("deploy: {}".format(line), sys.stderr)
