"""The data set's manifest: its source, its settings, and the hash of every shard."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Union

from kface.errors import ConfigError, DatasetError
from kface.files import read_json, sha256_bytes, sha256_file

PathLike = Union[str, "os.PathLike[str]"]

SCHEMA = 1
KIND = "kface data set"
#: Kind of a manifest that names the data sets it is made of.
JOINED = "kface joined data set"
FILE = "manifest.json"
SPLITS = ("train", "test")
REBUILD = "run the data set stage again, which rebuilds what is missing"


class Shard(NamedTuple):
    """A TFRecord file with images of one identity and one split.

    Attributes:
        file: Path below the data set's directory, with slashes.
        split: "train" or "test".
        subject: The identity.
        images: Number of images.
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
    """An image that is not in the data set, and the reason."""

    path: str
    reason: str


class Member(NamedTuple):
    """A data set that another one is made of.

    Attributes:
        name: Prefix of its identities: "name:subject".
        directory: Its directory.
        fingerprint: Its manifest's.
        weight: Its part of an epoch's images, beside the other members' weights; None for the sampler's own.
        cap: Largest number of an identity's images an epoch; None for no limit.
        test: Whether its test people are verified; otherwise they are left out.
        labelled: Whether its images have identities.
    """

    name: str
    directory: str
    fingerprint: str
    weight: float | None = None
    cap: int | None = None
    test: bool = True
    labelled: bool = True


class Excluded(NamedTuple):
    """An identity that is not trained on because it also occurs in a test set.

    Attributes:
        subject: The identity.
        testset: Title of the test set.
        person: Who it is there.
        by: "name", "image" or "similarity".
        score: Cosine similarity of the templates; None for another reason.
        images: Number of its images.
    """

    subject: str
    testset: str
    person: str
    by: str
    score: float | None
    images: int


class DatasetManifest(NamedTuple):
    """A finished data set, or several that :mod:`kface.data.dataset.joined` makes one of.

    Attributes:
        directory: Its directory.
        source: "name", "root", "layout", "synthetic"; "labelled", false, for images without identities.
        protocol: "name" and the conditions as lists, or None for all; None for a corpus without conditions.
        settings: As :meth:`DatasetSettings.as_dict` returns them.
        detector: What distinguishes the detector from others.
        counts: "images", "refused", "splits", "subjects", "conditions", "landmarks".
        shards: Sorted by file.
        refused: Sorted by path.
        problems: Files that did not parse in the corpus: by kind, "times" and "examples".
        fingerprint: Of the settings and the source's files (names, sizes, times).
        members: The data sets that it is made of, whose shards are named by absolute paths; none for a data set of its own.
        excluded: Identities that are left out of the training split; sorted.
    """

    directory: Path
    source: dict[str, Any]
    protocol: dict[str, Any] | None
    settings: dict[str, Any]
    detector: dict[str, Any]
    counts: dict[str, Any]
    shards: tuple[Shard, ...]
    refused: tuple[Refused, ...]
    problems: dict[str, Any]
    fingerprint: str
    members: tuple[Member, ...] = ()
    excluded: tuple[Excluded, ...] = ()

    def member_of(self, shard: Shard) -> int:
        """Return the number of the member that a shard of the training split belongs to; 0 without members."""
        if len(self.members) < 2:
            return 0
        name = shard.subject.partition(":")[0]
        return next(number for number, member in enumerate(self.members) if member.name == name)

    def labelled(self, member: int = 0) -> bool:
        """Return whether the images of a member have identities."""
        if self.members:
            return self.members[member].labelled
        return bool(self.source.get("labelled", True))

    def of(self, split: str | None = None) -> list[Shard]:
        """Return the shards of a split ("train" or "test"), or all."""
        return [shard for shard in self.shards if split is None or shard.split == split]

    def subjects(self, split: str | None = None) -> tuple[str, ...]:
        """Return the identities that have at least one image, sorted."""
        return tuple(sorted({shard.subject for shard in self.of(split)}))

    def images(self, split: str | None = None) -> int:
        """Return the number of images."""
        return sum(shard.images for shard in self.of(split))

    def files(self, split: str | None = None) -> list[str]:
        """Return the shards' paths."""
        return [str(self.directory / shard.file) for shard in self.of(split)]

    def as_dict(self) -> dict[str, Any]:
        """Return the content of the file of a data set of its own: everything but the directory."""
        found = dict(self._asdict(), schema=SCHEMA, kind=KIND)
        for name in ("directory", "members", "excluded"):
            del found[name]
        found["shards"] = [dict(shard._asdict()) for shard in self.shards]
        found["refused"] = [dict(refused._asdict()) for refused in self.refused]
        return found


def load(directory: PathLike, verify: str | None = "sizes") -> DatasetManifest:
    """Open a data set.

    Args:
        directory: Its directory.
        verify: "sizes" checks that every shard exists with its size, "hashes" reads them all, None trusts them.

    Raises:
        DatasetError: The data set is missing, unfinished or of another schema version, or a shard (named) is missing or was
            changed.
        ConfigError: `verify` is not one of the three.
    """
    if verify not in ("sizes", "hashes", None):
        raise ConfigError(f"must be sizes, hashes or None, not {verify!r}", "verify")
    path = Path(directory) / FILE
    try:
        found = read_json(path)
    except FileNotFoundError:
        raise DatasetError("is not a finished data set", directory, "run: kface dataset")
    except OSError as error:
        raise DatasetError(f"cannot be read ({error.strerror or error})", path)
    except ValueError:
        raise DatasetError("is damaged: not JSON", path, "remove it and " + REBUILD)
    if isinstance(found, dict) and found.get("kind") == JOINED:
        from kface.data.dataset.joined import read_joined

        return read_joined(found, Path(directory), verify)
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise DatasetError("is not a data set's manifest", path)
    if found.get("schema") != SCHEMA:
        raise DatasetError(
            "has schema version {}, this program reads {}".format(found.get("schema"), SCHEMA),
            path,
            "build the data set again into another directory",
        )
    fault = _fault(found)
    if fault:
        raise DatasetError(f"is damaged ({fault})", path, "remove it and " + REBUILD)
    manifest = DatasetManifest(
        directory=Path(directory),
        shards=tuple(Shard(**shard) for shard in found["shards"]),
        refused=tuple(Refused(**refused) for refused in found["refused"]),
        **{name: found[name] for name in _KINDS if name not in ("shards", "refused")},
    )
    if verify is not None:
        for shard in manifest.shards:
            fault = check_shard(manifest.directory, shard, verify == "hashes")
            if fault:
                raise DatasetError(fault, manifest.directory / shard.file, "remove it and " + REBUILD)
    return manifest


#: Types of a manifest's entries.
_KINDS = {
    "source": dict,
    "protocol": (dict, type(None)),
    "settings": dict,
    "detector": dict,
    "counts": dict,
    "shards": list,
    "refused": list,
    "problems": dict,
    "fingerprint": str,
}
_SHARD_FILE = re.compile(r"shards/[^/\\]+\.tfrecord$")


def _fault(found: dict[str, Any]) -> str | None:
    """Return the error in a manifest's content, or None."""
    for name, kind in _KINDS.items():
        if not isinstance(found.get(name), kind):  # type: ignore[arg-type]
            return name
    for problem in found["problems"].values():
        if not isinstance(problem, dict) or type(problem.get("times")) is not int:
            return "problems"
        if not isinstance(problem.get("examples"), list):
            return "problems"
    for row in found["refused"]:
        if not isinstance(row, dict) or sorted(row) != sorted(Refused._fields):
            return "refused"
    return next(("shards: " + fault for fault in map(shard_fault, found["shards"]) if fault), None)


def shard_fault(row: object) -> str | None:
    """Return the error in a shard's description as JSON, or None."""
    if not isinstance(row, dict) or sorted(row) != sorted(Shard._fields):
        return "fields"
    # The path is joined to the data set's directory and must not leave it.
    if not isinstance(row["file"], str) or not _SHARD_FILE.match(row["file"]) or "\0" in row["file"]:
        return "file"
    if row["split"] not in ("train", "test") or not isinstance(row["subject"], str):
        return "split or subject"
    for name in ("images", "bytes"):
        if type(row[name]) is not int or not 0 < row[name] < 1 << 40:
            return name
    if not isinstance(row["sha256"], str) or not re.match(r"[0-9a-f]{64}$", row["sha256"]):
        return "sha256"
    return None


def split_counts(shards: Sequence[Shard]) -> dict[str, dict[str, int]]:
    """Return the numbers of identities and images of each split."""
    counts = {}
    for part in SPLITS:
        mine = [shard for shard in shards if shard.split == part]
        counts[part] = {
            "subjects": len({shard.subject for shard in mine}),
            "images": sum(shard.images for shard in mine),
        }
    return counts


def shard_name(split: str, subject: str, number: int) -> str:
    """Return the name of a shard without its suffix.

    A subject's name that is not UTF-8 (from a ZIP archive of an older Korean Windows) or too long is shortened, and made unique
    by a hash.
    """
    raw = subject.encode("utf-8", "surrogateescape")
    text = raw.decode("utf-8", "replace")
    if text != subject or len(raw) > 180:
        kept = raw[:150].decode("utf-8", "ignore")
        subject = f"{kept}-{sha256_bytes(raw)[:12]}"
    return f"{split}-{subject}-{number:02d}"


def check_shard(directory: Path, shard: Shard, hashes: bool = False) -> str | None:
    """Return the error in a shard's file, or None."""
    path = directory / shard.file
    try:
        size = path.stat().st_size
        if size != shard.bytes:
            return f"has {size} bytes instead of {shard.bytes}"
        if hashes and sha256_file(path) != shard.sha256:
            return "was changed: its SHA-256 differs from the manifest's"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return None
