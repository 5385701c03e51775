"""The family of errors.

A :class:`KFaceError` states in one line what is wrong, with which file or setting, and what to do about it. Commands print that
line and exit with status 2; a traceback is a defect.
"""

from typing import List, Optional, Sequence

from kface.redaction import redact
from kface.text import printable


class KFaceError(Exception):
    """An error that the user can correct.

    Args:
        what: What is wrong, without a full stop.
        where: The file, directory or setting.
        remedy: What to do about it, as an imperative.

    Example:
        >>> print(KFaceError("not a JPEG image", "a.jpg", "re-copy the file"))
        a.jpg: not a JPEG image; re-copy the file
    """

    def __init__(self, what: str, where: Optional[object] = None, remedy: Optional[str] = None) -> None:
        # A quoted setting may contain a login.
        self.what = redact(what)
        self.where = None if where is None else redact(str(where))
        self.remedy = None if remedy is None else redact(remedy)
        super(KFaceError, self).__init__(self.what, self.where, self.remedy)

    def __str__(self) -> str:
        line = self.what if self.where is None else "{}: {}".format(self.where, self.what)
        if self.remedy:
            line = "{}; {}".format(line, self.remedy)
        return printable(" ".join(line.split()))

    @property
    def lines(self) -> List[str]:
        """What a command prints: a line for each thing that is wrong."""
        return [str(self)]


class ConfigError(KFaceError):
    """A setting that does not exist, has the wrong type or contradicts another."""


class WrongSettingsError(ConfigError):
    """Several wrong settings; as a text it is the first of them and the number of the others.

    Args:
        errors: At least two.
    """

    def __init__(self, errors: Sequence[KFaceError]) -> None:
        first = errors[0]
        super(WrongSettingsError, self).__init__(
            "{} (and {} more)".format(first.what, len(errors) - 1), first.where, first.remedy
        )
        self.errors = list(errors)

    @property
    def lines(self) -> List[str]:
        """The line of each wrong setting."""
        return [line for error in self.errors for line in error.lines]


def join_errors(errors: Sequence[KFaceError]) -> KFaceError:
    """Return the only error, or one :class:`WrongSettingsError` for several."""
    return errors[0] if len(errors) == 1 else WrongSettingsError(errors)


class LayoutError(KFaceError):
    """A path or an annotation file that is not in K-Face's grammar."""


class ProtocolError(KFaceError):
    """A protocol that cannot be met, for instance for lack of identities."""


class ImageError(KFaceError):
    """An image that cannot be read or used (truncated, empty, too small)."""


class ModelError(KFaceError):
    """A network file that is missing, damaged or another than its name says."""


class DatasetError(KFaceError):
    """A data set directory that is missing, damaged or not writable."""


class GalleryError(KFaceError):
    """A gallery, its key or its archive that is missing, damaged, changed or of another model."""


class TrainingError(KFaceError):
    """A training run that cannot start or continue (memory, no images, a checkpoint that does not fit)."""
