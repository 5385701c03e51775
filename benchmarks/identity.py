"""The whole recogniser against real people whose names are known: ``make bench-identity``.

Clips are composed of the pictures of CFP and LFW and played through detector, embedder, tracks and gallery as the realtime
recogniser does it, with the settings of ``conf/deploy.yaml``. Ten people are enrolled, each by one picture that no clip has.

Arguments: ``bundle=DIR cfp=DIR lfw=DIR quick=true half=first|second seed=0 out=FILE.json``, and any setting of the recogniser,
such as ``match.recognised=0.95``. People are split into two disjoint halves: choose settings on one, and confirm them on the
other. The quick bench plays a quarter of the clips, with the first half.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import identity_table
from benchmarks.frames import shared_data
from benchmarks.identity_people import Album, People, cfp, halves, lfw
from benchmarks.identity_pictures import Camera, Clip, backgrounds
from benchmarks.identity_scenes import GALLERY, Cast, program
from benchmarks.identity_truth import Found, Judge, Scores, figures, total
from deploy.configuration import resolve
from deploy.settings import DeploySettings
from kface import bundle
from kface.errors import ConfigError, KFaceError
from kface.files import write_json
from kface.progress import Progress
from kface.recognizer import FaceRecognizer, OperatingPoint, Pipeline, Result
from kface.streams import Frame

BUNDLE = "bundles/dlib-resnet"
FPS = 25.0
#: Names of the halves of the people.
HALVES = ("first", "second")


@dataclass(frozen=True)
class Options:
    """The options of a run.

    Attributes:
        settings: The recogniser's.
        folders: Directories of the people, by their reader.
        quick: A quarter of the clips.
        half: One of :data:`HALVES`, or None for both.
        seed: Seed of people, places and the camera.
        out: File of the report; None for one in today's folder.
    """

    settings: DeploySettings
    folders: dict[str, Path]
    quick: bool = False
    half: str | None = None
    seed: int = 0
    out: Path | None = None


@dataclass
class MemoryGallery:
    """A gallery in memory, by name; see :class:`kface.recognizer.FaceRecognizer`."""

    names: tuple[str, ...] = ()
    matrix: np.ndarray = field(default_factory=lambda: np.zeros((0, 1), np.float32))

    def match(self, embeddings: np.ndarray, k: int = 1) -> list[list[tuple[str, float]]]:
        """Return the k most similar people for each embedding, with their cosines."""
        if not self.names:
            return [[] for _ in embeddings]
        cosines = embeddings @ self.matrix.T
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        return [
            [(self.names[one], float(row[one])) for one in places] for row, places in zip(cosines, best, strict=True)
        ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write the report, and return the exit status."""
    try:
        options = options_of(sys.argv[1:] if argv is None else argv)
        document = measure(options)
        path = options.out or Path("outputs") / date.today().isoformat() / "identity-bench.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, document)
    except KFaceError as error:
        print(f"bench-identity: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"bench-identity: the report cannot be written: {error}; give out=FILE.json", file=sys.stderr)
        return 2
    print(identity_table.table(document))
    print(f"\nwritten: {path}")
    return 0


def options_of(words: Sequence[str]) -> Options:
    """Read the options from the arguments.

    Raises:
        ConfigError: One cannot be understood, or names nothing.
    """
    own: dict[str, str] = {}
    others = []
    for word in words:
        key, equals, value = ("quick", "=", "true") if word == "--quick" else word.partition("=")
        if not equals:
            raise ConfigError("is not a setting", word, "write key=value")
        if key in ("cfp", "lfw", "quick", "half", "seed", "out", "bundle"):
            own[key] = value
        else:
            others.append(word)
    if own.get("quick", "false").lower() not in ("true", "false"):
        raise ConfigError(f"must be true or false, not {own['quick']}", "quick")
    if own.get("half") not in (None, *HALVES):
        raise ConfigError(f"must be one of {', '.join(HALVES)}, not {own['half']}", "half")
    if not own.get("seed", "0").isdecimal():
        raise ConfigError(f"must be a whole number, not {own['seed']}", "seed")
    given = dict(resolve(others), bundle=own.get("bundle", BUNDLE))
    quick = own.get("quick", "false").lower() == "true"
    return Options(
        DeploySettings.from_mapping(given),
        {name: Path(own.get(name) or shared_data() / name) for name in READERS},
        quick,
        own.get("half", HALVES[0] if quick else None),
        int(own.get("seed", "0")),
        Path(own["out"]) if own.get("out") else None,
    )


def measure(options: Options) -> dict[str, Any]:
    """Play all clips and return the report.

    Raises:
        ConfigError: The people are not there.
        ModelError: The bundle cannot be used.
    """
    began = time.monotonic()
    settings = options.settings
    every = [read(options.folders[name]) for name, read in READERS.items()]
    if settings.bundle == BUNDLE and not Path(BUNDLE, "manifest.json").is_file():
        raise ConfigError("is not here", BUNDLE, "make it: make export embedder=pretrained; or give bundle=DIR")
    by_scene: dict[str, list[Scores]] = {}
    counted: dict[str, int] = {}
    with (
        FaceRecognizer.load(
            settings.bundle, settings.runtime, settings.precision, detector=settings.detector, match=settings.match
        ) as recognizer,
        Progress(None, "bench-identity", "clips") as progress,
    ):
        table = bundle.load(settings.bundle, check="sizes").manifest.thresholds
        recognizer.operating_point = OperatingPoint.from_settings(settings.match, table, GALLERY)
        operating_point = recognizer.needed_operating_point()
        album = Album(recognizer, settings.enrolment)
        camera = Camera(backgrounds(shared_data() / "video", options.seed))
        for people in every:
            counted[people.source] = len(people.subjects)
            for clip in clips(people, album, options):
                by_scene.setdefault(clip.scene, []).append(play(clip, camera, recognizer, album, settings))
                progress.update()
    # The scenes' order is that of the program.
    parts = {scene: total(scores) for scene, scores in by_scene.items()}
    return {
        "schema": 1,
        "kind": "kface identity bench",
        "bundle": str(settings.bundle),
        "people": counted,
        "half": options.half or "both",
        "quick": options.quick,
        "seed": options.seed,
        "fps": FPS,
        "thresholds": {
            "recognised": operating_point.recognised,
            "unknown": operating_point.unknown,
            "fmr": operating_point.fmr,
        },
        "tracks": None if settings.pipeline.tracks is None else settings.pipeline.tracks._asdict(),
        "scenes": {scene: figures(scores, FPS) for scene, scores in parts.items()},
        "total": figures(total(list(parts.values())), FPS),
        "seconds": round(time.monotonic() - began, 1),
    }


READERS: dict[str, Callable[[Path], People]] = {"cfp": cfp, "lfw": lfw}


def clips(people: People, album: Album, options: Options) -> Iterator[Clip]:
    """Yield the clips with these people: with the first half of them, then with the second."""
    for name, half in zip(HALVES, halves(people, options.seed), strict=True):
        if options.half in (None, name):
            seed = 2 * options.seed + HALVES.index(name)
            yield from program(Cast(half, album, seed), options.quick)


def play(clip: Clip, camera: Camera, recognizer: FaceRecognizer, album: Album, settings: DeploySettings) -> Scores:
    """Play a clip to the recogniser and return its scores."""
    gallery = album.gallery(clip.enrolled)
    pipeline = Pipeline(recognizer, MemoryGallery(*gallery), settings.pipeline)
    judge = Judge()
    for number, (image, shown) in enumerate(camera.film(clip)):
        result = pipeline.process(Frame(image, number / FPS, number))
        judge.frame(shown, found_in(result), result.embedded)
    return judge.scores()


def found_in(result: Result) -> list[Found]:
    """Return the faces that a frame's result shows; without tracks each is one of its own."""
    numbers = [-1 - place if track is None else track for place, track in enumerate(result.ids)]
    return [
        Found(tuple(float(value) for value in box), number, who.state, who.name)
        for box, number, who in zip(result.faces.boxes, numbers, result.identities, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main())
