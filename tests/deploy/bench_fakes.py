"""A recogniser without networks, a clip of squares, and a report with made-up figures."""

import time

import numpy as np

from deploy.bench import paper, report, streaming
from deploy.bench.scenes import Clip
from kface import alignment
from kface.faces import Faces
from kface.mtcnn import FaceDetector
from kface.recognizer import OperatingPoint
from kface.recognizer.embedder import EmbedderOutput


def faces_at(boxes):
    """Return faces in squares x y (a corner) and side, with the template's landmarks."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 3)
    landmarks = boxes[:, None, :2] + alignment.TEMPLATE[None] * boxes[:, None, 2:] / 112
    return Faces(
        np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1),
        np.full((len(boxes),), 0.9, np.float32),
        landmarks,
    )


class BrightFaces(FaceDetector):
    """Takes bright squares on a dark picture for faces; bands of columns are looked at one by one."""

    min_face = 39.8
    runtime = "fake"

    def __init__(self, band=100, seconds=0.0):
        self.band = band
        self.seconds = seconds

    def detect(self, rgb):
        time.sleep(self.seconds)
        found = []
        for left in range(0, rgb.shape[1], self.band):
            rows, columns = np.nonzero(rgb[:, left : left + self.band, 0] > 200)
            if len(rows) > 20:
                side = max(np.ptp(rows), np.ptp(columns)) + 1
                found.append((left + columns.min(), rows.min(), side))
        return faces_at(found)


class OneDirection(object):
    """Embeds every face the same way."""

    size = 8
    runtime = "fake"

    def run(self, crops):
        vectors = np.zeros((len(crops), self.size), np.float32)
        vectors[:, 0] = 1
        return EmbedderOutput(vectors, np.zeros((len(crops),), bool))

    def close(self):
        self.size = 0


class FakeRecognizer(object):
    def __init__(self, detector=None):
        self.detector = detector or BrightFaces()
        self.embedder = OneDirection()
        self.operating_point = OperatingPoint(0.6, 0.3, 1e-4)

    def needed_operating_point(self):
        return self.operating_point


def clip_of_squares(frames=12, lost=()):
    """Return a clip of two people, bright squares that drift: one on the left, one on the right."""
    pictures = []
    for number in range(frames):
        picture = np.full((120, 200, 3), 40, np.uint8)
        picture[40 + number : 70 + number, 30 + number : 60 + number] = 250
        if number not in lost:
            picture[50:80, 140 - number : 170 - number] = 230
        pictures.append(picture)
    return Clip("squares", pictures, 15.0)


def estimate():
    """Return an estimate for a Nano, as ``benchmarks.nano`` adds it to a report."""
    counts = {"macs": 2e6, "weights": 3000, "moved": 4000, "moved_all": 5000, "layers": 6, "layers_all": 7}
    parts = {key: [1.0, 2.0] for key in ("host", "pnet", "rnet", "onet", "embedder", "total")}
    return {
        "note": "estimate, not measured",
        "board": "Jetson Nano",
        "size": [640, 360],
        "min_face": 39.8,
        "canvas": [328, 180],
        "assumed": {"large": [0.2, 0.62], "host": [15.0, 7.5]},
        "counts": {"pnet": counts, "embedder": counts},
        "calibration": [{"what": "ResNet-50 at 256x256", "published": [42.0, 42.0], "estimated": [30.0, 80.0]}],
        "streams": [
            {
                "faces": faces,
                "share": 0.2,
                "detection_ms": parts,
                "following_ms": parts if faces else None,
                "ms": [10.0 + faces, 20.0 + faces],
                "fps": [50.0 - faces, 100.0 - faces],
                "reached": "yes",
            }
            for faces in paper.COUNTS
        ],
    }


def figure(value):
    return {"n": 3, "median": value, "p95": 1.5 * value}


def document():
    """Return a report as a bench on this project's bundle would make it, with made-up figures."""
    made = report.begin(quick=True)
    sizes = ([640, 360], [1280, 720])
    made["machine"] = {
        "cpu": "a processor",
        "board": None,
        "cores": 2,
        "memory_mb": 8000.0,
        "system": "Linux",
        "python": "3.6.9",
        "kface": "0.1.0",
        "runtimes": {"opencv": "4.1.1"},
        "load_start": [0.5, 0.4, 0.3],
        "load_end": None,
    }
    made["bundle"] = {
        "name": "resnet50-arcface",
        "fingerprint": "f" * 64,
        "synthetic": True,
        "min_face": 39.8,
        "runtime": ["opencv", "opencv"],
    }
    made["scenes"] = [
        {"source": "synthetic sample", "size": size, "faces": count, "found": [count, count, count]}
        for size in sizes
        for count in paper.COUNTS
    ]
    made["table8"] = [
        {
            "runtime": "opencv",
            "min_face": 20.0,
            "size": size,
            "faces": count,
            "source": "synthetic sample",
            "ms": figure(12.5),
        }
        for size in sizes
        for count in (1, 6)
    ]
    made["table9"] = [
        {
            "bundle": "resnet50-arcface",
            "runtime": "opencv",
            "precision": precision,
            "batch": batch,
            "source": "synthetic sample",
            "ms_a_face": figure(7.25),
            "cosine": cosine,
        }
        for precision, cosine in (("fp32", 1.0), ("int8", 0.55))
        for batch in (1, 3, 6)
    ]
    streams = [
        {"size": size, "faces": count, "tracks": tracks, "source": "synthetic sample"}
        for size in sizes
        for count in paper.COUNTS
        for tracks in (True, False)
    ]
    steps = {"detect": 5.0, "align": 1.0, "embed": 2.0, "match": 0.5, "tracks": 0.5}
    seen = {"mean_ms": 9.0, "ms": figure(9.0), "steps": steps, "found": 1.0, "detected": 0.2, "embedded": 0.1}
    made["unpaced"] = [dict(row, fps=figure(100.0 - 10 * row["faces"]), **seen) for row in streams]
    paced = {"latency_ms": figure(20.0), "captured": 60, "skipped": 4, "source_fps": 30.0}
    made["paced"] = [dict(row, fps=figure(28.0), **paced) for row in streams]
    made["ratios"] = streaming.ratios(made["unpaced"], "as fast as possible")
    made["memory"] = {
        "start_mb": 50.0,
        "resident_mb": 300.0,
        "peak_mb": 310.0,
        "gpu_mb": None,
        "size": [1280, 720],
        "runtime": ["opencv", "opencv"],
        "bench_peak_mb": 500.0,
    }
    made["estimate"] = estimate()
    made["paper"] = paper.as_dict()
    made["notes"] = ["table 8: tensorrt: left out (no GPU)"]
    return made
