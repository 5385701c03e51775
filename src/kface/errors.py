"""The one family of errors.

A :class:`KFaceError` says what was wrong, with which file or setting, and what to do about it, in
one line. Commands print that line and exit with status 2; a traceback is a defect.
"""

from typing import Any, Optional

from kface.redaction import redact
from kface.text import printable


class KFaceError(Exception):
    """Something that the user can mend.

    Args:
        what: What was wrong, without a full stop.
        where: The file, directory or setting it was wrong with.
        remedy: What to do about it, as an imperative.

    Example:
        >>> print(KFaceError("not a JPEG image", "a.jpg", "re-copy the file"))
        a.jpg: not a JPEG image; re-copy the file
    """

    def __init__(self, what: str, where: Optional[Any] = None, remedy: Optional[str] = None) -> None:
        # A setting that is quoted may hold a login.
        self.what = redact(what)
        self.where = None if where is None else redact(str(where))
        self.remedy = None if remedy is None else redact(remedy)
        super(KFaceError, self).__init__(self.what, self.where, self.remedy)

    def __str__(self) -> str:
        line = self.what if self.where is None else "{}: {}".format(self.where, self.what)
        if self.remedy:
            line = "{}; {}".format(line, self.remedy)
        return printable(" ".join(line.split()))


class ConfigError(KFaceError):
    """A setting that does not exist, has the wrong type or contradicts another."""


class LayoutError(KFaceError):
    """A path or an annotation file that is not in K-Face's grammar."""


class ProtocolError(KFaceError):
    """A protocol that cannot be met, for instance too few identities for the pairs asked for."""


class ImageError(KFaceError):
    """An image that cannot be read, or is of no use (truncated, empty, too small)."""


class ModelError(KFaceError):
    """A network file that is missing, damaged or not what its name says."""


class DatasetError(KFaceError):
    """A data set directory that is missing, damaged or cannot be written."""


class GalleryError(KFaceError):
    """A gallery, its key or an archive of one that is missing, damaged, changed or of another model."""


class TrainingError(KFaceError):
    """A training run that cannot start or go on (memory, no images, a checkpoint that does not fit)."""
