"""The aligned data set: built from a corpus in parallel, resumable, sharded, with a manifest; and read again.

A data set is a directory: ``shards/<split>-<subject>-<NN>.tfrecord`` (each of one identity and one split) and
``manifest.json``; ``journal/`` lets an interrupted or repeated build go on where it was.
"""

from kface.data.dataset.build import BuildReport, build
from kface.data.dataset.extract import Mtcnn, choose
from kface.data.dataset.manifest import DatasetManifest, Refused, Shard, load
from kface.data.dataset.records import FaceRecord, read, read_arrays, read_captures
from kface.data.dataset.settings import DatasetSettings

__all__ = [
    "BuildReport",
    "DatasetManifest",
    "DatasetSettings",
    "FaceRecord",
    "Mtcnn",
    "Refused",
    "Shard",
    "build",
    "choose",
    "load",
    "read",
    "read_arrays",
    "read_captures",
]
