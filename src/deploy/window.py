"""The plain window: the annotated picture, and a click on a face that says how to enrol it."""

import queue
import threading
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple

import cv2
import numpy as np

from deploy.labels import Labels
from deploy.status import Status
from deploy.terminal import print_line
from deploy.view import BACKDROP
from kface.errors import ConfigError, KFaceError
from kface.images import reverse_channels
from kface.text import first_line

if TYPE_CHECKING:
    from deploy.session import Session

#: Keys that close the window: q, Q and Escape.
_CLOSING_KEYS = (ord("q"), ord("Q"), 27)
#: Seconds between two looks at the window without a new picture.
_LOOK_S = 0.03
#: As older OpenCVs list them under "GUI:".
_TOOLKITS = ("QT", "QT 4.x", "QT 5.x", "GTK+", "GTK+ 2.x", "GTK+ 3.x", "Cocoa", "Win32 UI")
REMEDY = (
    "install an OpenCV with a GUI (apt install python3-opencv) or tkinter (apt install python3-tk), or use the web page"
)


class Window(object):
    """Shows a session's views until it is closed, the session ends, or the user presses q. For the main thread.

    Args:
        session: See :class:`deploy.session.Session`; is not stopped with the window.
        title: The window's.
        notify: Called with each line for the user.
        backend: "opencv" or "tkinter"; what is there where None.

    Example:
        >>> Window(session).run()  # doctest: +SKIP
    """

    def __init__(
        self,
        session: "Session",
        title: str = "kface",
        notify: Callable[[str], None] = print_line,
        backend: Optional[str] = None,
    ) -> None:
        self._session = session
        self._title = title
        self._notify = notify
        self._backend = backend
        self._labels = Labels()
        self._number = 0
        self._clicks: "queue.Queue[Tuple[float, float]]" = queue.Queue()
        self._closed = threading.Event()

    def close(self) -> None:
        """Close the window; from any thread."""
        self._closed.set()

    def run(self) -> None:
        """Show views until the end.

        Raises:
            ConfigError: There is neither an OpenCV with a GUI nor tkinter, or no screen.
        """
        backend = self._backend or find_backend()
        screen = (_OpenCvScreen if backend == "opencv" else _TkScreen)(self._title, self._click)  # type: Any
        try:
            while not self._closed.is_set() and screen.alive():
                view = self._session.wait_view(self._number, _LOOK_S)
                if view is not None:
                    self._number = view.number
                    screen.show(self._with_remarks(view.image))
                elif self._session.status.stream in ("ended", "closed"):
                    return
                screen.work()
                self._answer_clicks()
        finally:
            screen.close()

    def _with_remarks(self, rgb: np.ndarray) -> np.ndarray:
        """Return a picture with the session's remarks in its lower left corner."""
        lines = remarks(self._session.status)
        if not lines:
            return rgb
        picture = rgb.copy()
        height = min(max(picture.shape[0] // 24, 14), 32)
        for number, line in enumerate(reversed(lines)):
            self._labels.draw(picture, line, (0, picture.shape[0] - number * height), BACKDROP, height)
        return picture

    def _click(self, x: float, y: float) -> None:
        self._clicks.put((x, y))

    def _answer_clicks(self) -> None:
        while not self._clicks.empty():
            try:
                picked = self._session.pick(*self._clicks.get())
            except KFaceError as error:
                self._notify(str(error))
                continue
            face = "the face" if picked.track is None else "track {}".format(picked.track)
            if picked.name:
                face += " ({})".format(picked.name)
            if picked.refusals:
                self._notify("{} is not good enough to enrol: {}".format(face, "; ".join(picked.refusals)))
                continue
            track = "" if picked.track is None else " --track {}".format(picked.track)
            self._notify("to enrol {}: kface enrol NAME{}".format(face, track))


def remarks(status: Status) -> List[str]:
    """Return what a user should know about the picture and the outputs, a line each."""
    lines = []
    if status.brightened:
        lines.append("dark picture: brightened copies are searched too")
    if status.dropped:
        frames = "1 frame" if status.dropped == 1 else "{} frames".format(status.dropped)
        lines.append("{} missing from slow outputs".format(frames))
    return lines


def find_backend() -> str:
    """Return "opencv" where this OpenCV can show windows, else "tkinter".

    Raises:
        ConfigError: There is neither.
    """
    if opencv_has_gui(cv2.getBuildInformation()):
        return "opencv"
    try:
        import tkinter
    except ImportError:
        raise ConfigError("no library can show a window", "outputs.window", REMEDY)
    return tkinter.__name__


def opencv_has_gui(information: str) -> bool:
    """Return whether an OpenCV can show windows, by its build information: the headless wheel has "GUI: NONE", or no toolkit.

    Args:
        information: What ``cv2.getBuildInformation()`` returns.
    """
    inside = False
    for line in information.splitlines():
        name, colon, value = line.strip().partition(":")
        if name == "GUI" and colon:
            if value.strip():
                return value.strip().upper() != "NONE"
            inside = True
        elif inside and not line.strip():
            return False
        elif inside and name.strip() in _TOOLKITS and value.strip().upper().startswith("YES"):
            return True
    return False


class _OpenCvScreen(object):
    """A window of OpenCV's HighGUI."""

    def __init__(self, title: str, click: Callable[[float, float], None]) -> None:
        self._title = title
        self._open = True
        try:
            # Sized by its picture, without Qt's toolbar, so that a click has the picture's pixels.
            cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
            cv2.setMouseCallback(title, lambda event, x, y, *_: click(x, y) if event == cv2.EVENT_LBUTTONDOWN else None)
        except cv2.error as error:
            raise ConfigError("cannot open a window ({})".format(first_line(error)), "outputs.window", REMEDY)

    def alive(self) -> bool:
        return self._open

    def show(self, rgb: np.ndarray) -> None:
        cv2.imshow(self._title, reverse_channels(rgb))

    def work(self) -> None:
        key = cv2.waitKey(1)
        self._open = (key < 0 or key & 0xFF not in _CLOSING_KEYS) and self._visible()

    def _visible(self) -> bool:
        try:
            visible = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE)
            if visible < 0:
                # GTK, as on a Jetson Nano, does not report it; but it has no state of a window that is closed.
                return float(cv2.getWindowProperty(self._title, cv2.WND_PROP_FULLSCREEN)) >= 0
        except cv2.error:
            return False
        return float(visible) >= 1

    def close(self) -> None:
        try:
            cv2.destroyWindow(self._title)
            cv2.waitKey(1)
        except cv2.error:
            # The user has closed it.
            pass


class _TkScreen(object):
    """A window of Tk, which takes pictures as PPM."""

    def __init__(self, title: str, click: Callable[[float, float], None]) -> None:
        try:
            import tkinter
        except ImportError:
            raise ConfigError("tkinter is not installed", "outputs.window", REMEDY)
        self._tk: Any = tkinter
        try:
            self._root: Any = tkinter.Tk()
        except tkinter.TclError as error:
            raise ConfigError("cannot open a window ({})".format(first_line(error)), "outputs.window", REMEDY)
        self._open = True
        self._root.title(title)
        self._root.resizable(False, False)
        self._label = tkinter.Label(self._root, borderwidth=0, highlightthickness=0, background="#34383e")
        self._label.pack()
        self._label.bind("<Button-1>", lambda event: click(event.x, event.y))
        self._image: Any = None
        self._root.protocol("WM_DELETE_WINDOW", self._end)
        for key in ("q", "Q", "<Escape>"):
            self._root.bind(key, self._end)

    def _end(self, *_: object) -> None:
        self._open = False

    def alive(self) -> bool:
        return self._open

    def show(self, rgb: np.ndarray) -> None:
        height, width = rgb.shape[:2]
        head = "P6 {} {} 255\n".format(width, height).encode("ascii")
        # Tk shows an image as long as a reference to it exists.
        self._image = self._tk.PhotoImage(master=self._root, data=head + rgb.tobytes(), format="PPM")
        self._label.configure(image=self._image)

    def work(self) -> None:
        try:
            self._root.update()
        except self._tk.TclError:
            self._open = False

    def close(self) -> None:
        try:
            self._image = None
            self._root.destroy()
        except self._tk.TclError:
            # It has been destroyed from outside.
            pass
