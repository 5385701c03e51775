"""What only an image's bytes show: the same file under two names, and another size than KISA's."""

from collections.abc import Collection

from kface.images.header import read_header
from kface.kisa.conditions import SIZE
from kface.kisa.database import Fault, KisaImage, Severity


class SeenImages:
    """The images of a data base as they are read, for the faults that show only then."""

    def __init__(self) -> None:
        self._by_hash: dict[str, list[KisaImage]] = {}
        self._sizes: list[Fault] = []

    def add(self, image: KisaImage, sha256: str, encoded: bytes) -> None:
        """Note an image, the SHA-256 of its bytes, and its size."""
        self._by_hash.setdefault(sha256, []).append(image)
        size = _size(encoded)
        if size is not None and size != SIZE:
            what = f"{size[0]}x{size[1]} pixels instead of {SIZE[0]}x{SIZE[1]}"
            self._sizes.append(Fault(Severity.WARNING, "other size", image.place, what))

    def faults(self, failed: Collection[KisaImage] = ()) -> tuple[Fault, ...]:
        """Return an error for each file that is there under several names, then a warning for each image of another size.

        A probe that is a copy of an enrolment scores 1, whoever is in it: the figures would be those of the mistake.

        Args:
            failed: Images without a template: they are never compared, and may be alike, such as completely black.
        """
        twins = [
            Fault(
                Severity.ERROR,
                "same image twice",
                images[0].place,
                f"the same file as {', '.join(image.place for image in images[1:])}",
            )
            for images in self._by_hash.values()
            if len(images) > 1 and images[0] not in failed
        ]
        return (*twins, *self._sizes)


def _size(encoded: bytes) -> tuple[int, int] | None:
    """Return an image's width and height in pixels, upright; None where its header cannot be read."""
    try:
        header = read_header(encoded)
    except ValueError:
        return None
    if header is None:
        return None
    size = (header.width, header.height)
    return size[::-1] if header.turns.count("left") % 2 else size
