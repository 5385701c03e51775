"""The cascade on the compiled kernels: from bytes to scores, without a runtime and without a complete map in memory."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from kface.mtcnn import native_weights, weights
from kface.mtcnn.pyramid import level_shape
from kface.mtcnn.stages import NATIVE, Item, Result, Stages, closed_error
from kface.mtcnn.windows import Windows
from kface.native import kernels
from kface.networks.registry import read_network
from kface.workers import cores

#: Pixels of a level that a thread takes at once, and boxes: parts that are too small cost more than they save.
STRIP_PIXELS, BOXES = 3 << 14, {"rnet": 112, "onet": 28}


class NativeStages(Stages):
    """The cascade on :func:`kface.native.kernels`.

    Args:
        models: The directory that :func:`kface.mtcnn.weights.prepare` returns.
        threads: Number of threads; None for one per core that this process may use.

    Raises:
        ModelError: A network is absent, differs from its recorded hash, or has not the constants of the cascade.
    """

    runtime = NATIVE

    def __init__(self, models: "weights.PathLike", threads: Optional[int] = None) -> None:
        self._place = Path(models)
        self._weights: Dict[str, np.ndarray] = {}
        self._closed = False
        for name, (path, digest) in weights.plain_files(models).items():
            self._weights[name] = native_weights.arrange(name, read_network(path, digest), path)
        self._kernels = kernels()
        together = threads or cores()
        self._pool = ThreadPoolExecutor(together, "kface-mtcnn") if together > 1 else None

    def prepare(self, rgb: np.ndarray) -> np.ndarray:
        """See :meth:`Stages.prepare`: the image itself, in rows of bytes side by side."""
        return np.ascontiguousarray(rgb)

    def windows(self, images: Sequence[Any], levels: Sequence[Tuple[int, float]], least: float) -> List[Windows]:
        """See :meth:`Stages.windows`."""
        shapes = [level_shape(images[number].shape, scale) for number, scale in levels]
        pieces = [
            (place, rows)
            for place, (height, width) in enumerate(shapes)
            for rows in self._strips((height - 1) // 2 - 4, width)
        ]

        def run(piece: Tuple[int, Tuple[int, int]]) -> Tuple[np.ndarray, np.ndarray]:
            place, rows = piece
            return self._kernels.pnet(images[levels[place][0]], shapes[place], self._weights["pnet"], least, rows=rows)

        parts: List[List[Tuple[np.ndarray, np.ndarray]]] = [[] for _ in levels]
        for (place, _), part in zip(pieces, self.map(run, pieces)):
            parts[place].append(part)
        return [_windows(part, (width - 1) // 2 - 4) for part, (_, width) in zip(parts, shapes)]

    def _strips(self, rows: int, width: int) -> Iterator[Tuple[int, int]]:
        """Yield the rows of each part of P-Net's output; a single one where there is one thread."""
        # Strips of a multiple of 3 give the same bits as the whole.
        step = rows if self._pool is None else max(3, STRIP_PIXELS // (2 * width) // 3) * 3
        for begin in range(0, rows, step):
            yield begin, min(begin + step, rows)

    def refine(self, name: str, images: Sequence[Any], boxes: Sequence[np.ndarray]) -> List[Dict[str, np.ndarray]]:
        """See :meth:`Stages.refine`."""
        step = max(len(some) for some in boxes) if self._pool is None and len(boxes) else BOXES[name]
        pieces = [
            (number, slice(begin, begin + step))
            for number, some in enumerate(boxes)
            for begin in range(0, len(some), max(step, 1))
        ]
        found: List[List[np.ndarray]] = [[] for _ in boxes]
        run = self._kernels.rnet if name == "rnet" else self._kernels.onet

        def work(piece: Tuple[int, slice]) -> np.ndarray:
            number, block = piece
            return run(images[number], boxes[number][block], self._weights[name])

        # A thread for a single block costs more than it saves.
        spread = self.map if len(pieces) > 1 else map
        for (number, _), outputs in zip(pieces, spread(work, pieces)):
            found[number].append(outputs)
        return [_outputs(name, np.concatenate(part)) if part else {} for part in found]

    def refine_few(self, rgb: np.ndarray, boxes: np.ndarray) -> Dict[str, np.ndarray]:
        """See :meth:`Stages.refine_few`."""
        return self.refine("onet", [rgb], [boxes])[0]

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """See :meth:`Stages.map`."""
        return map(work, items) if self._pool is None else self._pool.map(work, items)

    def check_open(self) -> None:
        """See :meth:`Stages.check_open`."""
        if self._closed:
            raise closed_error(self._place)

    def close(self) -> None:
        """See :meth:`Stages.close`."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        self._weights = {}


def _windows(parts: Sequence[Tuple[np.ndarray, np.ndarray]], width: int) -> Windows:
    places, found = parts[0] if len(parts) == 1 else [np.concatenate(some) for some in zip(*parts)]
    rows, columns = np.divmod(places.astype(np.int64), width)
    return Windows(rows, columns, found[:, 0], found[:, 1:])


def _outputs(name: str, outputs: np.ndarray) -> Dict[str, np.ndarray]:
    named = {"logits": outputs[:, :1], "offsets": outputs[:, 1:5]}
    if name == "onet":
        named["landmarks"] = outputs[:, 5:15]
    return named
