"""kface's kernels: what face recognition does besides its networks, compiled from C++ where there is a compiler.

The sources (``include/`` and ``src/``, C++17 without any dependency, behind a plain C ABI) are part of kface's C++ library too.
Nothing here needs them compiled: :func:`kernels` offers the same functions in numpy and OpenCV where they are not.

Example:
    >>> from kface.native import kernels
    >>> kernels().suppress([[0, 0, 10, 10], [1, 0, 11, 10], [40, 0, 50, 10]], 0.5).tolist()
    [0, 2]
"""

from kface.native.kernels import Kernels
from kface.native.loading import kernels, load, status

__all__ = ["Kernels", "kernels", "load", "status"]
