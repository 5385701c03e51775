"""The cascade on a runtime of :mod:`kface.networks`: levels and batches of crops, in pieces that fit a core's cache."""

from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from kface.mtcnn import pyramid, weights
from kface.mtcnn.opened import CascadeNetworks
from kface.mtcnn.stages import Item, Result, Stages
from kface.mtcnn.windows import Windows
from kface.native import kernels

#: Crops that go through R- and O-Net at once: their feature maps fit a core's cache.
BATCHES = {"rnet": 64, "onet": 16}
#: Pixels that go through P-Net at once, for the same reason: levels of several images of one size, or a strip of a level.
STRIP_PIXELS = 3 << 14


class RuntimeStages(Stages):
    """The cascade's networks on a runtime; shrinking and cropping by the compiled kernels, or in numpy and OpenCV without.

    Args:
        models: The directory that :func:`kface.mtcnn.weights.prepare` returns.
        runtime: A name in :data:`kface.networks.RUNTIMES`.
        threads: Number of threads; None for one per core that this process may use.

    Attributes:
        networks: The networks.
    """

    def __init__(self, models: "weights.PathLike", runtime: str, threads: Optional[int] = None) -> None:
        self.networks = CascadeNetworks(Path(models), runtime, threads)
        self.runtime = runtime
        found = kernels()
        self._kernels = found if found.compiled else None

    def prepare(self, rgb: np.ndarray) -> np.ndarray:
        """See :meth:`Stages.prepare`: the image itself, or without compiled kernels the normalised one."""
        return pyramid.normalise(rgb) if self._kernels is None else np.ascontiguousarray(rgb)

    def windows(self, images: Sequence[Any], levels: Sequence[Tuple[int, float]], least: float) -> List[Windows]:
        """See :meth:`Stages.windows`."""
        shrink = pyramid.level if self._kernels is None else self._kernels.level
        resized = list(self.map(lambda level: shrink(images[level[0]], level[1]), levels))
        if self.networks.packed is None:
            maps = self.run_pnet(resized)
        else:
            owners = [owner for owner, _ in levels]
            maps = self.networks.run_packed(
                [[level for level, owner in zip(resized, owners) if owner == number] for number in range(len(images))]
            )
        return [_windows(outputs, least) for outputs in maps]

    def run_pnet(self, levels: List[np.ndarray]) -> List[Dict[str, np.ndarray]]:
        """Run P-Net over levels of any sizes, float32 (3, h, w); small ones of one size together, large ones in strips."""
        groups: Dict[Tuple[int, ...], List[int]] = {}
        for number, level in enumerate(levels):
            groups.setdefault(level.shape, []).append(number)
        pieces: List[Tuple[List[int], slice]] = []
        for (_, height, width), numbers in groups.items():
            together = max(1, STRIP_PIXELS // (height * width))
            strips = pyramid.strips(height, max(1, STRIP_PIXELS // width))
            for start in range(0, len(numbers), together):
                pieces += [(numbers[start : start + together], strip) for strip in strips]

        def run(piece: Tuple[List[int], slice]) -> Dict[str, np.ndarray]:
            numbers, strip = piece
            return self.networks["pnet"].run(np.stack([levels[number][:, strip] for number in numbers]))

        found: List[List[Dict[str, np.ndarray]]] = [[] for _ in levels]
        for (numbers, _), outputs in zip(pieces, self.map(run, pieces)):
            for place, number in enumerate(numbers):
                found[number].append({name: values[place] for name, values in outputs.items()})
        return [
            parts[0]
            if len(parts) == 1
            else {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
            for parts in found
        ]

    def refine(self, name: str, images: Sequence[Any], boxes: Sequence[np.ndarray]) -> List[Dict[str, np.ndarray]]:
        """See :meth:`Stages.refine`: the candidates of all images in a few batches."""
        size = {"rnet": 24, "onet": 48}[name]
        crop = self._crop(images, boxes, size)
        counts = [len(some) for some in boxes]
        owners = np.repeat(np.arange(len(boxes)), counts)
        every = np.concatenate(list(boxes)) if len(boxes) else np.zeros((0, 4))

        def cut(block: slice) -> np.ndarray:
            crops = []
            for owner in np.unique(owners[block]):
                crops.append(crop(owner, every[block][owners[block] == owner]))
            return crops[0] if len(crops) == 1 else np.concatenate(crops)

        outputs = self._in_blocks(name, len(every), cut)
        parts, start = [], 0
        for count in counts:
            parts.append({key: value[start : start + count] for key, value in outputs.items()} if count else {})
            start += count
        return parts

    def _crop(
        self, images: Sequence[Any], boxes: Sequence[np.ndarray], size: int
    ) -> Callable[[int, np.ndarray], np.ndarray]:
        """Return what cuts boxes out of the image of a number."""
        found = self._kernels
        if found is not None:
            return lambda number, some: found.crop_and_resize(images[number], some, size)
        pixels = [pyramid.pixels_for_crops(image) if len(some) else image for image, some in zip(images, boxes)]
        shapes = [(image.shape[0], image.shape[1]) for image in images]
        return lambda number, some: pyramid.crop_and_resize(pixels[number], shapes[number], some, size)

    def refine_few(self, rgb: np.ndarray, boxes: np.ndarray) -> Dict[str, np.ndarray]:
        """See :meth:`Stages.refine_few`."""
        crop = pyramid.crop_and_resize_each if self._kernels is None else self._kernels.crop_and_resize
        return self._in_blocks("onet", len(boxes), lambda block: crop(rgb, boxes[block], 48))

    def _in_blocks(self, name: str, count: int, cut: Callable[[slice], np.ndarray]) -> Dict[str, np.ndarray]:
        """Run a network on the crops that `cut` returns for each block of boxes; no boxes give no outputs."""

        def run(start: int) -> Dict[str, np.ndarray]:
            return self.networks[name].run(cut(slice(start, start + BATCHES[name])))

        # A thread for a single block costs more than it saves.
        spread = self.map if count > BATCHES[name] else map
        blocks = list(spread(run, range(0, count, BATCHES[name])))
        return {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]} if blocks else {}

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """See :meth:`Stages.map`."""
        return self.networks.map(work, items)

    def check_open(self) -> None:
        """See :meth:`Stages.check_open`."""
        self.networks.check_open()

    def close(self) -> None:
        """See :meth:`Stages.close`."""
        self.networks.close()


def _windows(outputs: Dict[str, np.ndarray], least: float) -> Windows:
    logits = outputs["logits"][0]
    rows, columns = np.nonzero(logits > least)
    return Windows(rows, columns, logits[rows, columns], outputs["offsets"][:, rows, columns].T)
