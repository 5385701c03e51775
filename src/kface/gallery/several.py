"""Several image files enrolled one after the other, with what became of each; one that is refused holds up none."""

import os
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from kface.errors import GalleryError, KFaceError
from kface.gallery.enrolment import EnrolledFace, Enrolment, FoundFaces

PathLike = Union[str, "os.PathLike[str]"]

#: What became of a file.
ADDED, REFUSED, CHOOSE, CANCELLED = "added", "refused", "choose", "cancelled"


class FileResult(NamedTuple):
    """What became of an image file.

    Attributes:
        file: The file.
        state: :data:`ADDED`; :data:`REFUSED`, with the reason; :data:`CHOOSE` where there are several faces, one of which
            may be enrolled with :meth:`~kface.gallery.Enrolment.enrol_found`; :data:`CANCELLED` where it was not looked at.
        reason: Why it was refused, in one line without the file's name; empty otherwise.
        made: What was enrolled, with a warning where there is one; None where nothing was.
        found: The faces of the image; None where it could not be read or was not looked at. Of a file that was added or
            refused the picture itself is kept no longer, but its faces are.
    """

    file: str
    state: str
    reason: str = ""
    made: Optional[EnrolledFace] = None
    found: Optional[FoundFaces] = None


def enrol_files(
    enrol: Callable[[str], FileResult],
    files: Sequence[PathLike],
    progress: Optional[Callable[[int, FileResult], None]] = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> List[FileResult]:
    """Enrol files one after the other, and return what became of each, in their order.

    Args:
        enrol: Enrols a file, see :func:`enrol_file`.
        files: Image files.
        progress: Gets the number of files that are done, and what became of the last.
        cancelled: Whether to stop; what was added before stays.

    Raises:
        GalleryError: The gallery cannot be used (locked, full disk, another model): the files after it would fail alike.
    """
    results: List[FileResult] = []
    for file in files:
        result = FileResult(os.fspath(file), CANCELLED) if cancelled() else enrol(os.fspath(file))
        results.append(result)
        if progress is not None:
            progress(len(results), result)
    return results


def enrol_file(enrolment: Enrolment, name: str, file: str) -> FileResult:
    """Enrol the one face of a file; several faces are returned for the user to choose.

    Raises:
        GalleryError: The gallery cannot be used, or the name is invalid.
    """
    try:
        found = enrolment.find_faces(file)
    except GalleryError:
        raise
    except KFaceError as error:
        return FileResult(file, REFUSED, _reason(error))
    if len(found.faces) > 1:
        return FileResult(file, CHOOSE, found=found)
    # Many large pictures would fill the memory.
    slim = found._replace(image=np.zeros((0, 0, 3), np.uint8))
    if not found.faces:
        return FileResult(file, REFUSED, ", ".join(map(str, found.refusals)), found=slim)
    try:
        return FileResult(file, ADDED, made=enrolment.enrol_found(name, found.faces[0]), found=slim)
    except GalleryError:
        raise
    except KFaceError as error:
        return FileResult(file, REFUSED, _reason(error), found=slim)


def choices(result: FileResult) -> Tuple[int, ...]:
    """Return the numbers of those faces of a file that can be enrolled at all, the best detection first."""
    return () if result.found is None else tuple(n for n, face in enumerate(result.found.faces) if not face.failed)


def _reason(error: KFaceError) -> str:
    return "{}; {}".format(error.what, error.remedy) if error.remedy else error.what
