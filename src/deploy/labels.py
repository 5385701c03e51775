"""Names as pictures: OpenCV's own letters are ASCII, and our users' names are Hangul."""

import glob
import os
from typing import Any, Dict, List, Optional, Tuple

import cv2
import numpy as np

from kface.errors import ConfigError
from kface.text import JOINERS, printable

#: Fonts with Hangul first, then some with Latin, Greek and Cyrillic; KFACE_FONT names another.
ENVIRONMENT = "KFACE_FONT"
PLACES = (
    "/usr/share/fonts/truetype/nanum/NanumGothic.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/unfonts-core/UnDotum.ttf",
    "/usr/share/fonts/truetype/baekmuk/dotum.ttf",
    "/System/Library/Fonts/AppleSDGothicNeo.ttc",
    "C:/Windows/Fonts/malgun.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
)
_KEPT = 256


def find_font() -> Optional[str]:
    """Return the font file for names; None where there is none.

    Raises:
        ConfigError: KFACE_FONT names a file that is not there.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        if not os.path.isfile(named):
            raise ConfigError("does not exist", named, "correct {}".format(ENVIRONMENT))
        return named
    there = [place for place in PLACES if os.path.isfile(place)]
    return (there or sorted(glob.glob("/usr/share/fonts/truetype/**/*Gothic*.ttf", recursive=True)) or [None])[0]  # type: ignore[list-item]


class Labels(object):
    """Draws texts into pictures, each text once. Not safe to share between threads.

    With Pillow and a font that has the letters it draws any name; without, ASCII, and a question mark for every other sign.

    Args:
        font: A font file; :func:`find_font` where None.

    Raises:
        ConfigError: It is not a font, or KFACE_FONT names a file that does not exist.
    """

    def __init__(self, font: Optional[str] = None) -> None:
        self._font = find_font() if font is None else font
        self._masks: Dict[Tuple[str, int], np.ndarray] = {}
        self._fonts: Dict[int, Any] = {}
        # A font that cannot be read is an error now, not at the first face.
        self._render("0", 16)

    def draw(self, rgb: np.ndarray, text: str, at: Tuple[int, int], colour: Tuple[int, int, int], height: int) -> None:
        """Draw a text on a bar of a colour, as far as it lies in the picture.

        Args:
            rgb: uint8 (h, w, 3), RGB; changed in place.
            text: One line.
            at: x and y of the bar's lower left corner.
            colour: RGB; the text is black or white, whichever can be read on it.
            height: The bar's, in pixels.
        """
        mask = self._mask(text, height)
        x = min(max(at[0], 0), max(rgb.shape[1] - mask.shape[1], 0))
        y = min(max(at[1] - mask.shape[0], 0), max(rgb.shape[0] - mask.shape[0], 0))
        place = rgb[y : y + mask.shape[0], x : x + mask.shape[1]]
        if place.size == 0:
            return
        ink = 0 if np.dot(colour, (0.299, 0.587, 0.114)) > 140 else 255
        alpha = mask[: place.shape[0], : place.shape[1], None].astype(np.float32) / 255
        place[:] = (np.array(colour, np.float32) * (1 - alpha) + ink * alpha).astype(np.uint8)

    def lines(self, text: str, height: int, width: int) -> List[str]:
        """Break a text into lines that :meth:`draw` fits into a width in pixels, at spaces where there are some."""
        lines: List[str] = []
        for word in text.split():
            if lines and self._fits(lines[-1] + " " + word, height, width):
                lines[-1] += " " + word
                continue
            while word:
                part = len(word)
                while part > 1 and not self._fits(word[:part], height, width):
                    part -= 1
                lines.append(word[:part])
                word = word[part:]
        return lines

    def _fits(self, text: str, height: int, width: int) -> bool:
        return bool(self._render(text, height).shape[1] <= width)

    def _mask(self, text: str, height: int) -> np.ndarray:
        """Return a text as uint8 (height, w): 255 where there is ink."""
        known = self._masks.get((text, height))
        if known is None:
            if len(self._masks) >= _KEPT:
                self._masks.clear()
            known = self._masks[text, height] = self._render(text, height)
        return known

    def _render(self, text: str, height: int) -> np.ndarray:
        drawn = None if self._font is None else self._with_pillow(text, height, self._font)
        return _with_opencv(text, height) if drawn is None else drawn

    def _with_pillow(self, text: str, height: int, file: str) -> Optional[np.ndarray]:
        try:
            from PIL import Image, ImageDraw, ImageFont
        except ImportError:
            self._font = None
            return None
        # Pillow's own layout draws a box for what has no shape; the letters themselves it does not join anyway.
        text = _shapes(text)
        if height not in self._fonts:
            try:
                self._fonts[height] = ImageFont.truetype(file, max(int(height * 0.7), 6))
            except (OSError, ImportError):
                raise ConfigError("is not a readable font", file, "correct {}".format(ENVIRONMENT))
        font = self._fonts[height]
        # textlength and the anchors are younger than the Pillow of JetPack 4.6.
        width = font.getmask(text).size[0] if text else 0
        canvas = Image.new("L", (width + height // 2, height), 0)
        ascent, descent = font.getmetrics()
        ImageDraw.Draw(canvas).text((height // 4, (height - ascent - descent) // 2), text, fill=255, font=font)
        return np.array(canvas)


def _shapes(text: str) -> str:
    """Return the characters of a text that have a shape: no joiners, no variation selectors."""
    return "".join(each for each in printable(text) if each not in JOINERS and not 0xFE00 <= ord(each) <= 0xFE0F)


def _with_opencv(text: str, height: int) -> np.ndarray:
    plain = _shapes(text).encode("ascii", "replace").decode("ascii")
    scale, face = height / 32.0, cv2.FONT_HERSHEY_SIMPLEX
    (width, tall), _ = cv2.getTextSize(plain, face, scale, 1)
    mask = np.zeros((height, width + height // 2), np.uint8)
    cv2.putText(mask, plain, (height // 4, (height + tall) // 2), face, scale, 255, 1, cv2.LINE_AA)
    return mask
