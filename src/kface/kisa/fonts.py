"""NanumGothic (SIL Open Font License 1.1), out of the package koreanize-matplotlib, for plots and PDF with Hangul.

The package is not imported, as that would change matplotlib's settings: its files are all that is used.
"""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kface.errors import ConfigError

NAME: Final = "NanumGothic"
_PACKAGE: Final = "koreanize_matplotlib"


def font_file(bold: bool = False) -> Path:
    """Return the font's TrueType file; raises ConfigError where the package is absent."""
    spec = importlib.util.find_spec(_PACKAGE)
    for place in () if spec is None else spec.submodule_search_locations or ():
        path = Path(place) / "fonts" / f"{NAME}{'Bold' if bold else ''}.ttf"
        if path.is_file():
            return path
    raise ConfigError(
        "is needed for Hangul in the report and is not installed",
        "koreanize-matplotlib",
        "pip install 'kface[kisa]' (in a checkout: make setup)",
    )


@contextlib.contextmanager
def korean() -> Iterator[None]:
    """Let matplotlib write Hangul; its settings are as before afterwards. Raises ConfigError where the font is absent."""
    import matplotlib
    from matplotlib import font_manager

    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in (font_file(), font_file(bold=True)):
        if str(path) not in known:
            font_manager.fontManager.addfont(str(path))
    with matplotlib.rc_context({"font.family": NAME, "axes.unicode_minus": False, "font.size": 9}):
        yield
