"""Figures that others have published, each with its source; nothing here was measured by us."""

from typing import Dict, List, NamedTuple, Tuple

Range = Tuple[float, float]

PAPER = "the paper (Chang & Park)"


class Published(NamedTuple):
    """A published time.

    Attributes:
        source: Who published it.
        what: The network or the cascade.
        where: The board and the runtime.
        ms: From and to, in milliseconds.
    """

    source: str
    what: str
    where: str
    ms: Range


#: Table 8 of the paper, MTCNN on a Jetson Nano, by the frame's (width, height).
TABLE8: Dict[Tuple[int, int], List[Published]] = {
    (640, 360): [
        Published(PAPER, "MTCNN", "Nano, OpenCV 4.1 DNN", (340.0, 360.0)),
        Published(PAPER, "MTCNN", "Nano, TensorRT", (60.0, 70.0)),
    ],
    (1280, 720): [
        Published(PAPER, "MTCNN", "Nano, OpenCV 4.1 DNN", (1300.0, 1400.0)),
        Published(PAPER, "MTCNN", "Nano, TensorRT", (117.0, 120.0)),
    ],
}
#: Table 9 of the paper, and what its text says about the Nano.
TABLE9: List[Published] = [
    Published(PAPER, "ArcFace ResNet-50", "Xavier, TensorFlow", (90.0, 100.0)),
    Published(PAPER, "ArcFace ResNet-50", "Xavier, TensorRT", (9.0, 20.0)),
    Published(PAPER, "ArcFace ResNet-50", "Nano, TensorRT (text: about 30)", (30.0, 30.0)),
]
#: Frames per second that the paper reports for the complete system.
PAPER_FPS = 10.0
#: nwesem/mtcnn_facenet_cpp_tensorRT on a Nano, 640x480, face by face: frames a second by the number of faces.
FACE_BY_FACE: Dict[int, float] = {0: 43.0, 1: 17.0, 3: 8.0, 6: 3.0}
#: Faces that the bench measures with.
COUNTS = tuple(sorted(FACE_BY_FACE))
#: ResNet-50 at 256x256 on a Nano with TensorRT, ms by precision: github.com/kentaroy47/benchmark-FP32-FP16-INT8-with-TensorRT.
RESNET50_256: Dict[str, float] = {"fp32": 79.0, "fp16": 42.0}


def as_dict() -> Dict[str, object]:
    """Return all of it for the report, so that drawing it needs no second copy."""

    def row(published: Published) -> Dict[str, object]:
        return {
            "source": published.source,
            "what": published.what,
            "where": published.where,
            "ms": list(published.ms),
        }

    return {
        "table8": [
            dict(row(published), size=list(size)) for size, rows in sorted(TABLE8.items()) for published in rows
        ],
        "table9": [row(published) for published in TABLE9],
        "fps": PAPER_FPS,
        "face_by_face": {
            "source": "nwesem/mtcnn_facenet_cpp_tensorRT, Nano, 640x480",
            "fps": {str(faces): fps for faces, fps in FACE_BY_FACE.items()},
        },
    }
