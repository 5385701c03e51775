"""kface's C++ library from Python: the same chain and the same values, without ONNX Runtime and without :mod:`kface.mtcnn`.

Example:
    >>> from kface.library import Library
    >>> with Library().open("bundle") as engine:  # doctest: +SKIP
    ...     engine.match(engine.enrol("a.jpg"), engine.enrol("b.jpg"))
    0.71
"""

from kface.library.binding import Library
from kface.library.engine import Engine
from kface.library.values import FAILED_SIMILARITY, OpaqueTemplate, TemplateError, read_template

__all__ = ["FAILED_SIMILARITY", "Engine", "Library", "OpaqueTemplate", "TemplateError", "read_template"]
