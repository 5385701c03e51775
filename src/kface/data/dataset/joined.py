"""Data sets made of other data sets: several corpora at once, and identities left out.

Such a data set is a directory with a ``manifest.json`` alone, which names the members' directories and fingerprints; their
shards stay where they are. Read, it is a manifest like any other. Identities are named "member:subject"; the test people keep
their own names where a single member has them, so that lists of pairs apply.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kface.data.dataset.manifest import (
    FILE,
    JOINED,
    REBUILD,
    SCHEMA,
    SPLITS,
    DatasetManifest,
    Excluded,
    Member,
    Shard,
    load,
    split_counts,
)
from kface.errors import DatasetError
from kface.files import read_json, write_json


def join(
    name: str, members: Sequence[tuple[Member, DatasetManifest]], directory: Path, excluded: Sequence[Excluded] = ()
) -> DatasetManifest:
    """Make one manifest of several.

    Args:
        name: The joined data set's.
        members: At least one, each with its manifest. With a single one identities keep their names.
        directory: The joined data set's.
        excluded: Identities to leave out of the training split, named as in the joined data set.

    Raises:
        DatasetError: Nothing is left to train on.
    """
    several = len(members) > 1
    testing = [manifest for member, manifest in members if member.test and manifest.of("test")]
    gone = {one.subject for one in excluded}
    shards: list[Shard] = []
    for member, manifest in members:
        for shard in manifest.shards:
            subject = shard.subject
            if several and (shard.split == "train" or len(testing) > 1):
                subject = f"{member.name}:{subject}"
            if (shard.split == "train" and subject in gone) or (shard.split == "test" and not member.test):
                continue
            path = os.path.abspath(manifest.directory / shard.file)
            shards.append(shard._replace(file=path, subject=subject))
    if not any(shard.split == "train" for shard in shards):
        raise DatasetError("no identity is left to train on", name, "leave out fewer")
    first = members[0][1]
    tested = testing[0] if testing else first
    described = [dict(member._replace(directory="")._asdict()) for member, _ in members]
    digest = hashlib.sha256(json.dumps([described, [list(one) for one in sorted(excluded)]]).encode("utf-8"))
    alone = len(testing) == 1
    return DatasetManifest(
        directory=directory,
        source={
            "name": name,
            "root": ", ".join(str(manifest.source["root"]) for _, manifest in members),
            # The test people are those of a single corpus, or of no single form.
            "layout": tested.source["layout"] if alone or not several else "joined",
            # Figures of synthetic people are marked as such, whatever else was trained on.
            "synthetic": any(one.source.get("synthetic") for one in (testing or [one for _, one in members])),
            "trained_on": " + ".join(
                "the synthetic sample" if manifest.source.get("synthetic") else str(manifest.source["name"])
                for _, manifest in members
            ),
        },
        protocol=tested.protocol if alone or not several else None,
        settings=first.settings,
        detector=first.detector,
        counts=_counts(shards, members),
        shards=tuple(shards),
        refused=tuple(sorted(one for _, manifest in members for one in manifest.refused)),
        problems=_problems(members),
        fingerprint=digest.hexdigest(),
        members=tuple(member for member, _ in members),
        excluded=tuple(sorted(excluded)),
    )


def _counts(shards: Sequence[Shard], members: Sequence[tuple[Member, DatasetManifest]]) -> dict[str, Any]:
    subjects: dict[str, int] = {}
    for part in SPLITS:
        for shard in shards:
            if shard.split == part:
                subjects[shard.subject] = subjects.get(shard.subject, 0) + shard.images
    landmarks: dict[str, int] = {}
    for _, manifest in members:
        for origin, count in manifest.counts.get("landmarks", {}).items():
            landmarks[origin] = landmarks.get(origin, 0) + count
    return {
        "images": sum(shard.images for shard in shards),
        "refused": sum(len(manifest.refused) for _, manifest in members),
        "splits": split_counts(shards),
        "subjects": subjects,
        "conditions": members[0][1].counts.get("conditions", {}) if len(members) == 1 else {},
        "landmarks": landmarks,
    }


def _problems(members: Sequence[tuple[Member, DatasetManifest]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member, manifest in members:
        for kind, problem in manifest.problems.items():
            found[kind if len(members) == 1 else f"{kind} ({member.name})"] = problem
    return found


def write_joined(manifest: DatasetManifest) -> None:
    """Write a joined data set's directory; nothing where it is up to date.

    Raises:
        DatasetError: It cannot be written, or contains something else.
    """
    value = {
        "kind": JOINED,
        "schema": SCHEMA,
        "name": manifest.source["name"],
        "members": [
            dict(member._replace(directory=_relative(member.directory, manifest.directory))._asdict())
            for member in manifest.members
        ],
        "excluded": [dict(one._asdict()) for one in manifest.excluded],
        "fingerprint": manifest.fingerprint,
    }
    path = manifest.directory / FILE
    try:
        manifest.directory.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in manifest.directory.iterdir() if not entry.name.startswith(("records-", "."))}
        if names - {FILE}:
            raise DatasetError("is not empty, and not a joined data set", manifest.directory, "give a new directory")
        try:
            same = read_json(path) == json.loads(json.dumps(value))
        except (OSError, ValueError):
            same = False
        if not same:
            write_json(path, value)
    except OSError as error:
        raise DatasetError(f"cannot be written ({error.strerror or error})", manifest.directory)


def read_joined(found: dict[str, Any], directory: Path, verify: str | None) -> DatasetManifest:
    """Read a joined data set.

    Args:
        found: The content of its ``manifest.json``.
        directory: Its directory.
        verify: As for :func:`kface.data.dataset.load`.

    Raises:
        DatasetError: It is damaged or of another version, or a member is missing or was changed since.
    """
    path = directory / FILE
    if found.get("schema") != SCHEMA:
        raise DatasetError(f"has schema version {found.get('schema')}, this program reads {SCHEMA}", path)
    fault = _fault(found)
    if fault is not None:
        raise DatasetError(f"is damaged ({fault})", path, "remove it and " + REBUILD)
    members = []
    for row in found["members"]:
        place = Path(os.path.normpath(directory / row["directory"]))
        member = Member(**{**row, "directory": str(place)})
        manifest = load(place, verify)
        if manifest.fingerprint != member.fingerprint:
            raise DatasetError("was built again since it became a member", place, "run the data set stage again")
        members.append((member, manifest))
    joined = join(found["name"], members, directory, [Excluded(**row) for row in found["excluded"]])
    if joined.fingerprint != found["fingerprint"]:
        raise DatasetError("is damaged (fingerprint)", path, "remove it and " + REBUILD)
    return joined


_TEXTS = {"name": str, "members": list, "excluded": list, "fingerprint": str}
_MEMBER = {
    "name": (str,),
    "directory": (str,),
    "fingerprint": (str,),
    "weight": (float, int, type(None)),
    "cap": (int, type(None)),
    "test": (bool,),
    "labelled": (bool,),
}
_EXCLUDED = {
    "subject": (str,),
    "testset": (str,),
    "person": (str,),
    "by": (str,),
    "score": (float, int, type(None)),
    "images": (int,),
}


def _fault(found: dict[str, Any]) -> str | None:
    """Return the error in a joined manifest, or None."""
    for name, kind in _TEXTS.items():
        if not isinstance(found.get(name), kind):
            return name
    for name, kinds in (("members", _MEMBER), ("excluded", _EXCLUDED)):
        for row in found[name]:
            if not isinstance(row, dict) or set(row) != set(kinds):
                return name
            if any(type(row[key]) not in types for key, types in kinds.items()):
                return name
    if not found["members"] or any("\0" in row["directory"] for row in found["members"]):
        return "members"
    return None


def _relative(place: str, directory: Path) -> str:
    """Return a member's directory relative to the joined one's, so that both can be moved together."""
    try:
        return Path(os.path.relpath(place, directory)).as_posix()
    except ValueError:  # another drive of Windows
        return os.path.abspath(place)
