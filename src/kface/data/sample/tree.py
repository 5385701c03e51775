"""Writes the sample as a K-Face tree: one task per identity, each complete or absent."""

import os
import time
from pathlib import Path
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from kface import checks
from kface.data.layout import ANNOTATED_LIGHTS, SIZES, Capture, Conditions, format_annotation
from kface.data.protocols import PAPER, split
from kface.data.sample.identity import Identity, generator, subject_names
from kface.data.sample.scene import Scene, develop, noise_of, scaled
from kface.data.sample.writing import remove_unfinished, same_settings, unwritable, write_complete, write_people
from kface.errors import ConfigError
from kface.images import encode_jpeg

PathLike = Union[str, "os.PathLike[str]"]

#: Increase when the same settings would give different pictures.
VERSION = 1
#: The same for pictures with variation.
VARIATION_VERSION = 1
QUALITY = 92
#: The frontal captures that every identity has: S001/L1/E01 of the paper's seven cameras.
FRONTAL = tuple((1, 1, 1, camera) for camera in range(4, 11))

#: Accessory, light, expression and camera.
Condition = Tuple[int, int, int, int]


class SampleReport(NamedTuple):
    """Result of :func:`write_sample`.

    Attributes:
        root: The tree's root.
        identities: Number of people in the tree.
        images: Number of images in the tree.
        kept: Number of people that already existed.
        seconds: Duration.
    """

    root: Path
    identities: int
    images: int
    kept: int
    seconds: float


def plan(
    subject: str, views: int, lights_per_view: int, seed: int, conditions: Conditions
) -> Dict[Tuple[int, int], Dict[int, List[int]]]:
    """Choose an identity's captures.

    The seven frontal ones, and ``views`` random views of pairwise different takes and cameras as far as there are
    enough; every accessory, expression, camera and light is drawn about equally often. A take is seen by two cameras
    or more where it saves work.

    Returns:
        By take (accessory, expression), by camera, the lights.
    """
    random = generator(seed, "plan", subject)
    chosen: Dict[Tuple[int, int], Dict[int, List[int]]] = {}
    for accessory, light, expression, camera in FRONTAL:
        chosen.setdefault((accessory, expression), {}).setdefault(camera, []).append(light)
    accessories, expressions = _numbers(conditions.accessories, 6), _numbers(conditions.expressions, 3)
    cameras, lights = _numbers(conditions.cameras, 20), _numbers(conditions.lights, 30)
    takes = [(a, e) for a in accessories for e in expressions]
    takes = [takes[index] for index in random.permutation(len(takes))]
    order = _shuffled(random, cameras, views)
    bag = _shuffled(random, lights, views * min(lights_per_view, len(lights)))
    # Two cameras per take: building the take is the costly part.
    used = takes[: max(1, (views + 1) // 2)]
    for number in range(views):
        take = used[(number // 2) % len(used)]
        some = chosen.setdefault(take, {}).setdefault(order[number], [])
        for _ in range(min(lights_per_view, len(lights))):
            light = bag.pop()
            if light in some:
                left = [other for other in lights if other not in some]
                if not left:
                    continue
                light = left[int(random.randint(len(left)))]
            some.append(light)
    return chosen


def write_sample(
    root: PathLike,
    identities: int = 72,
    views: int = 16,
    lights_per_view: int = 3,
    seed: int = 0,
    jobs: int = -1,
    conditions: Optional[Conditions] = None,
    progress: bool = True,
    resolution: str = "High",
    variation: float = 0.0,
    plain: float = 0.25,
) -> SampleReport:
    """Write the sample, or its missing people.

    Args:
        root: The tree's root; ``High_Resolution/<ID>/...`` comes below it.
        identities: Number of people.
        views: Random views per person, besides the seven frontal ones.
        lights_per_view: Random lights per view.
        seed: Same seed and settings, same bytes, whatever the number of processes.
        jobs: Processes; -1 for one per core.
        conditions: What to draw from; by default the paper's subset.
        progress: Whether to show a progress bar.
        resolution: ``High``, ``Middle`` or ``Low``.
        variation: From 0 to 1: how far people, takes and pictures differ from one another beyond K-Face's conditions.
        plain: Share of the people, from 0 to 1, who are drawn without variation, see :func:`plain_people`.

    Raises:
        ConfigError: A number is out of its range.
        KFaceError: The root holds a sample of other settings, or cannot be written.
    """
    started = time.time()
    for key, value, least in (
        ("identities", identities, 1),
        ("views", views, 0),
        ("lights_per_view", lights_per_view, 1),
    ):
        checks.whole(key, value, least)
    checks.number("variation", variation, 0, 1)
    checks.number("plain", plain, 0, 1)
    if resolution not in SIZES:
        raise ConfigError("unknown resolution", resolution, "choose one of: {}".format(", ".join(SIZES)))
    root = Path(root)
    conditions = PAPER.conditions if conditions is None else conditions
    settings = {
        "version": VERSION,
        "kind": "synthetic sample",
        "views": views,
        "lights_per_view": lights_per_view,
        "seed": seed,
        "resolution": resolution,
        "conditions": {
            name: sorted(values) for name, values in zip(conditions._fields, conditions) if values is not None
        },
    }
    if variation:
        # Absent without variation: trees from before it are the same.
        settings.update(variation=variation, plain=plain, variation_version=VARIATION_VERSION)
    folder = root / "{}_Resolution".format(resolution)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        same_settings(root / "sample.json", settings)
        remove_unfinished(folder)
    except OSError as error:
        raise unwritable(error, root)
    names = subject_names(identities, seed)
    missing = [name for name in names if not (folder / name).is_dir()]
    images = 0
    for name in names:
        chosen = plan(name, views, lights_per_view, seed, conditions)
        images += sum(len(lights) for cameras in chosen.values() for lights in cameras.values())
    if missing:
        common = (views, lights_per_view, seed, conditions, resolution, os.getpid())
        unvaried = plain_people(names, plain)
        calls = [(str(folder), name) + common + (0.0 if name in unvaried else variation,) for name in missing]
        write_people(write_identity, calls, jobs, "synthetic sample", progress)
    return SampleReport(root, identities, images, identities - len(missing), time.time() - started)


def plain_people(names: Sequence[str], share: float) -> FrozenSet[str]:
    """Return the people who are drawn without variation: those whom the protocols' default split tests.

    So the people of the test stay comparable, whatever is varied for training: K-Face's conditions and no others.

    Args:
        names: All people.
        share: Of them, as ``protocol.test``; the split's seed is 0, as ``seed``.
    """
    if not 0 < share < 1 or len(names) < 2:
        return frozenset(names if share == 1 else ())
    return frozenset(split(names, share).test)


def write_identity(
    folder: str,
    subject: str,
    views: int,
    lights_per_view: int,
    seed: int,
    conditions: Conditions,
    resolution: str,
    parent: int,
    variation: float = 0.0,
) -> "Optional[Tuple[str, str, str]]":
    """Write one identity into a temporary folder and move it into its place; runs in a worker.

    Returns:
        The arguments of a KFaceError where the disk is full or read-only.
    """

    def write(temporary: str) -> None:
        person = Identity(subject, seed, variation)
        chosen = plan(subject, views, lights_per_view, seed, conditions)
        for (accessory, expression), cameras in sorted(chosen.items()):
            scene = Scene(person, accessory, expression)
            for camera, lights in sorted(cameras.items()):
                view = scene.view(camera)
                for light in sorted(lights):
                    capture = Capture(subject, accessory, light, expression, camera, resolution)
                    path = os.path.join(temporary, *capture.path().split("/")[2:])
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    picture = develop(view, light, noise_of(capture, seed), resolution, variation)
                    with open(path, "wb") as stream:
                        stream.write(encode_jpeg(picture, QUALITY))
                    # K-Face annotates the captures without accessory, under some of its lights.
                    if accessory == 1 and light in ANNOTATED_LIGHTS:
                        text = format_annotation(scaled(view.annotation, resolution), camera)
                        with open(path[: -len(".jpg")] + ".txt", "w", newline="\n") as annotation:
                            annotation.write(text)

    return write_complete(folder, subject, parent, write)


def _numbers(wanted: Optional[FrozenSet[int]], count: int) -> List[int]:
    return sorted(wanted) if wanted is not None else list(range(1, count + 1))


def _shuffled(random: np.random.RandomState, values: List[int], count: int) -> List[int]:
    """Return `count` values in random order, each about equally often."""
    bag: List[int] = []
    while len(bag) < count:
        bag += [values[index] for index in random.permutation(len(values))]
    return bag[:count]
