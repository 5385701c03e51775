"""The data set's table of contents: what it was made from, how, and the hash of every shard."""

import json
import os
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from kface.errors import ConfigError, DatasetError
from kface.files import sha256_file

PathLike = Union[str, "os.PathLike[str]"]

SCHEMA = 1
KIND = "kface data set"
FILE = "manifest.json"
REBUILD = "run the data set stage again, it makes what is missing"


class Shard(NamedTuple):
    """A TFRecord file that holds images of one identity and one split.

    Attributes:
        file: Path below the data set's directory, with slashes.
        split: "train" or "test".
        subject: The identity.
        images: How many.
        bytes: The file's size.
        sha256: The file's hash.
    """

    file: str
    split: str
    subject: str
    images: int
    bytes: int
    sha256: str


class Refused(NamedTuple):
    """An image that is not in the data set, and why."""

    path: str
    reason: str


class Manifest(NamedTuple):
    """A finished data set.

    Attributes:
        directory: Where it is.
        source: "name", "root", "layout", "synthetic".
        protocol: "name" and the conditions as lists, None for all; None for a corpus without conditions.
        settings: As :meth:`DatasetSettings.as_dict` gives them.
        detector: What tells the detector from another one.
        counts: "images", "refused", "splits", "subjects", "conditions", "landmarks".
        shards: Sorted by file.
        refused: Sorted by path.
        problems: What did not parse in the corpus: by kind, "times" and "examples".
        fingerprint: Of the settings and the source's files (names, sizes, times).
    """

    directory: Path
    source: Dict[str, Any]
    protocol: Optional[Dict[str, Any]]
    settings: Dict[str, Any]
    detector: Dict[str, Any]
    counts: Dict[str, Any]
    shards: Tuple[Shard, ...]
    refused: Tuple[Refused, ...]
    problems: Dict[str, Any]
    fingerprint: str

    def of(self, split: Optional[str] = None) -> List[Shard]:
        """Return the shards of a split ("train" or "test"), or all."""
        return [shard for shard in self.shards if split is None or shard.split == split]

    def subjects(self, split: Optional[str] = None) -> Tuple[str, ...]:
        """Return the identities that have at least one image, sorted."""
        return tuple(sorted({shard.subject for shard in self.of(split)}))

    def images(self, split: Optional[str] = None) -> int:
        """Return how many images there are."""
        return sum(shard.images for shard in self.of(split))

    def files(self, split: Optional[str] = None) -> List[str]:
        """Return the shards' paths."""
        return [str(self.directory / shard.file) for shard in self.of(split)]

    def as_dict(self) -> Dict[str, Any]:
        """Return what is written to the file: everything but the directory."""
        found = dict(self._asdict(), schema=SCHEMA, kind=KIND)
        del found["directory"]
        found["shards"] = [dict(shard._asdict()) for shard in self.shards]
        found["refused"] = [dict(refused._asdict()) for refused in self.refused]
        return found


def load(directory: PathLike, verify: Optional[str] = "sizes") -> Manifest:
    """Open a data set.

    Args:
        directory: Where it is.
        verify: "sizes" looks whether every shard is there with its size, "hashes" reads them all, None trusts them.

    Raises:
        DatasetError: There is no finished data set, it has another schema version, or a shard (named) is missing or was
            changed; the message says what to do.
        ConfigError: `verify` is none of the three.
    """
    if verify not in ("sizes", "hashes", None):
        raise ConfigError("must be sizes, hashes or None, not {!r}".format(verify), "verify")
    path = Path(directory) / FILE
    try:
        found = json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise DatasetError("there is no finished data set", directory, "run the data set stage: make dataset")
    except OSError as error:
        raise DatasetError("cannot be read ({})".format(error.strerror or error), path)
    except ValueError:
        raise DatasetError("is damaged: not JSON", path, "remove it and " + REBUILD)
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise DatasetError("is not a data set's manifest", path)
    if found.get("schema") != SCHEMA:
        raise DatasetError(
            "has schema version {}, this program reads {}".format(found.get("schema"), SCHEMA),
            path,
            "build the data set again into another directory",
        )
    try:
        manifest = Manifest(
            directory=Path(directory),
            shards=tuple(Shard(**shard) for shard in found["shards"]),
            refused=tuple(Refused(**refused) for refused in found["refused"]),
            **{name: found[name] for name in Manifest._fields if name not in ("directory", "shards", "refused")},
        )
    except (KeyError, TypeError) as error:
        raise DatasetError("is damaged ({})".format(error), path, "remove it and " + REBUILD)
    if verify is not None:
        for shard in manifest.shards:
            fault = check_shard(manifest.directory, shard, verify == "hashes")
            if fault:
                raise DatasetError(fault, manifest.directory / shard.file, "remove it and " + REBUILD)
    return manifest


def check_shard(directory: Path, shard: Shard, hashes: bool = False) -> Optional[str]:
    """Return what is wrong with a shard's file, or None."""
    path = directory / shard.file
    try:
        size = path.stat().st_size
        if size != shard.bytes:
            return "has {} bytes, not the {} that were written".format(size, shard.bytes)
        if hashes and sha256_file(path) != shard.sha256:
            return "was changed: its SHA-256 is not the manifest's"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return "cannot be read ({})".format(error.strerror or error)
    return None
