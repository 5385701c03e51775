"""``kface deploy``: the realtime recogniser, until its stream ends or it is stopped."""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Iterator, List, Optional

from deploy.configuration import masked, resolve, write_file
from deploy.notify import Notifier
from deploy.opening import open_session
from deploy.session import Session
from deploy.settings import DeploySettings
from deploy.terminal import print_line
from kface.commands.ending import exit_status
from kface.commands.parser import SettingsParser
from kface.errors import KFaceError
from kface.streams import State

if TYPE_CHECKING:
    from deploy.window import Window

#: Names a file of settings in place of ``--config``.
CONFIG = "KFACE_CONFIG"
#: Seconds between two looks at whether all is well.
TICK_S = 0.5
#: Exit status where frames of a video file were damaged or missing.
INCOMPLETE = 3
#: Seconds after the start in which a camera that refuses the id or the password ends the program.
FIRST_S = 10.0


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status.

    0; 1 where an output failed; 2 where the recogniser did; 3 where frames of a video file were damaged or missing.
    """
    arguments = parser().parse_args(argv)
    return exit_status("deploy", lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    values = resolve(arguments.settings, arguments.config or os.environ.get(CONFIG))
    if arguments.show:
        print_line(write_file(masked(values)).rstrip("\n"))
        return 0
    return run(DeploySettings.from_mapping(values))


def run(settings: DeploySettings) -> int:
    """Run the recogniser with these settings and return the exit status.

    Raises:
        KFaceError: Something cannot be used, or failed.
    """
    notifier = Notifier()
    stop, done = threading.Event(), threading.Event()
    with _terminated(stop), open_session(settings) as session, contextlib.ExitStack() as stack:
        window = _window(session) if settings.outputs.window else None
        url = _web(session, settings, stack)
        session.start()
        _introduce(session, url)
        reporter = threading.Thread(target=_report, args=(session, done), name="kface-report", daemon=True)
        failures: List[KFaceError] = []
        watch = threading.Thread(
            target=_watch, args=(session, settings, notifier, stop, window, failures), name="kface-watch", daemon=True
        )
        try:
            reporter.start()
            watch.start()
            if window is not None:
                window.run()
            else:
                while not stop.is_set() and not session.wait(TICK_S):
                    pass
            # A file that cannot be read ends before the watch looks at it.
            ended = session.stream.state is State.ENDED
            refusal = session.stream.refusal if not failures and (ended or not session.status.processed) else None
            for failure in failures + ([] if refusal is None else [refusal]):
                raise failure
        finally:
            notifier.stopping()
            stop.set()
            try:
                session.stop()
            finally:
                # What fails at the end, such as a video that could not be finished, is reported as well.
                done.set()
                for thread in (watch, reporter):
                    if thread.ident is not None:
                        thread.join(2 * TICK_S + 1)
        _conclude(session)
        if session.failures:
            return 1
        return 0 if session.shortfall is None else INCOMPLETE


def parser() -> SettingsParser:
    """Return what reads the arguments."""
    made = SettingsParser(
        "deploy", prog="kface deploy", description="recognise people in a video stream until it ends or is stopped"
    )
    made.add_argument(
        "--config",
        metavar="PATH",
        help="YAML file with all settings, or directory with further choices for the groups (default: {}, or"
        " the packaged settings)".format(CONFIG),
    )
    made.add_argument("--show", action="store_true", help="print the settings and exit")
    return made


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


def _window(session: Session) -> "Window":
    from deploy.window import Window

    return Window(session, "kface")


def _web(session: Session, settings: DeploySettings, stack: contextlib.ExitStack) -> Optional[str]:
    """Start the page where it is asked for, and return its address: with the token only where a person reads it."""
    if not settings.web.enabled:
        return None
    from deploy.web import WebServer
    from deploy.web.token import ENVIRONMENT, default_token_file

    server = WebServer(session, settings.web)
    stack.callback(server.close)
    server.start()
    # A journal or a log file must not hold the token, and a user who chose it knows it.
    given = settings.web.token_file is None and bool(os.environ.get(ENVIRONMENT))
    if sys.stderr.isatty() and not given:
        return str(server.url)
    where = ENVIRONMENT if given else str(settings.web.token_file or default_token_file())
    return "{}/ (its token: {})".format(server.address, where)


def _introduce(session: Session, url: Optional[str]) -> None:
    status = session.status
    people = "{} {} enrolled".format(status.people, "person" if status.people == 1 else "people")
    print_line(
        "deploy: {} on {}, {}, watching {}".format(status.model, status.runtime, people, status.source), sys.stderr
    )
    if url is not None:
        # Its token is in it only where a person reads it.
        print_line("deploy: the live picture is at {}".format(url), sys.stderr, secret=True)


def _report(session: Session, done: threading.Event) -> None:
    """Print the stream's states, each once until it changes, and outputs that failed."""
    seen, reported = 0, ""
    while True:
        last = done.is_set()
        for event in session.wait_events(seen, 0 if last else TICK_S):
            seen = event.number
            # Every attempt ends in the same line while a camera is off.
            if event.kind in ("stream", "output") and event.reason not in ("closed", reported):
                if event.reason.startswith("connecting"):
                    continue
                reported = event.reason
                print_line("deploy: {}".format(event.reason), sys.stderr)
        if last:
            return


def _watch(
    session: Session,
    settings: DeploySettings,
    notifier: Notifier,
    stop: threading.Event,
    window: Optional["Window"],
    failures: List[KFaceError],
) -> None:
    """Watch until the end is asked for, the time is over, or something fails; then ask for the end."""
    try:
        _look_after(session, settings, notifier, stop)
    except KFaceError as error:
        failures.append(error)
    finally:
        stop.set()
        if window is not None:
            window.close()


def _look_after(session: Session, settings: DeploySettings, notifier: Notifier, stop: threading.Event) -> None:
    """Report to systemd that all is well; raises KFaceError where the stream is refused from the start."""
    notifier.ready(session.status.source)
    begun = reported = time.monotonic()
    processed = -1
    lived = False
    while not stop.wait(TICK_S):
        now = time.monotonic()
        lived = lived or session.status.stream == State.LIVE.value
        refusal = session.stream.refusal if not lived and now - begun < FIRST_S else None
        if refusal is not None:
            raise refusal
        if settings.seconds is not None and now - begun >= settings.seconds:
            return
        if notifier.watchdog is None or now - reported < notifier.watchdog / 3 or not session.running:
            continue
        status = session.status
        # A live stream without results is stuck in a driver: better restarted.
        if status.stream != State.LIVE.value or status.processed != processed:
            reported, processed = now, status.processed
            notifier.alive(
                "{}: {}, {:.1f} fps, {} faces".format(status.source, status.stream, status.fps, status.faces)
            )


def _conclude(session: Session) -> None:
    status = session.status
    seconds = max(time.time() - status.started, 1e-3)
    line = "{} frames in {:.1f} s ({:.1f} fps), {} skipped for newer ones".format(
        status.processed, seconds, status.processed / seconds, status.skipped
    )
    if status.losses:
        line += ", stream lost {}".format("once" if status.losses == 1 else "{} times".format(status.losses))
    if status.dropped:
        line += ", {} dropped by slow outputs".format(status.dropped)
    if session.shortfall is not None:
        line += "; {}".format(session.shortfall)
    print_line("deploy: {}".format(line), sys.stderr)
