"""``kface gallery ...``: who is enrolled, from the command line.

The exit status is 0, 1 where an image was refused (each with its reason) or a part of the gallery cannot be used, and 2
where nothing could be done.
"""

import argparse
import getpass
import os
import stat
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from deploy.face_reader import FaceReader, open_reader
from deploy.settings import chosen_bundle
from deploy.terminal import print_line, typed_name
from kface import bundle
from kface.bundle.manifest import PRECISIONS
from kface.commands.ending import exit_status
from kface.commands.parser import Parser
from kface.errors import ConfigError, ImageError
from kface.gallery import (
    ENVIRONMENT,
    ENVIRONMENT_FILE,
    Damage,
    Enrolment,
    Gallery,
    Limits,
    check_gallery,
    default_gallery_file,
    open_gallery,
)
from kface.gallery.archive import check_passphrase
from kface.gallery.values import clean_name
from kface.networks import RUNTIMES
from kface.recognizer import RECOGNISED, OperatingPoint
from kface.recognizer.embeddings import FaceEmbedding
from kface.text import printable

PASSPHRASE = "KFACE_GALLERY_PASSPHRASE"
#: The limits of :class:`kface.gallery.Limits`: the value's name, and what is refused.
GATES: Dict[str, Tuple[Any, str]] = {
    "size": ("PIXELS", "minimum face size: shorter side of its box in pixels"),
    "sharpness": ("VARIANCE", "minimum sharpness: variance of the Laplacian in squared grey levels"),
    "yaw": (
        "PART",
        "maximum offset of the nose from the middle as a part of the eyes' distance (0: frontal; about 0.5 times the tangent"
        " of the angle)",
    ),
    "pitch": (
        ("LEAST", "LARGEST"),
        "range of the nose's position between eyes (0) and mouth (1)",
    ),
    "roll": ("DEGREES", "maximum tilt of the line through the eyes, in degrees"),
    "outside": ("PART", "maximum part of the face's width or height beyond the image's edge"),
}
BUNDLE = "KFACE_BUNDLE"


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status."""
    arguments = parser().parse_args(argv)
    stopped = "interrupted; faces reported as enrolled are enrolled"
    return exit_status("gallery", lambda: COMMANDS[arguments.command](arguments), stopped)


def _warn(what: object) -> None:
    print_line("gallery: {}".format(printable(str(what))), sys.stderr)


def _print(*columns: object) -> None:
    """Print columns; what a file says in them does nothing to the terminal."""
    print_line("\t".join(printable(str(column)) for column in columns))


def parser() -> Parser:
    """Return what reads the arguments."""
    files = argparse.ArgumentParser(add_help=False)
    files.add_argument(
        "--gallery", metavar="FILE", help="the gallery (default: KFACE_GALLERY, or {})".format(default_gallery_file())
    )
    files.add_argument(
        "--key-file",
        metavar="FILE",
        help="file of mode 0600 with the key (default: {}, or the key itself in {}, or the user's own file)".format(
            ENVIRONMENT_FILE, ENVIRONMENT
        ),
    )
    files.add_argument("--keyring", action="store_true", help="take the key from the operating system's keyring")
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--bundle", metavar="DIR", help="the exported model (default: {}, or the newest)".format(BUNDLE))
    model.add_argument("--runtime", default="auto", choices=["auto"] + list(RUNTIMES), help="runtime of the networks")
    model.add_argument(
        "--precision", default="fp32", choices=PRECISIONS, help="precision of the embedder, if the bundle has it"
    )

    made = Parser(
        prog="kface gallery",
        description="manage the people to recognise: enrol, list, rename, merge, delete, export, import, match",
        examples=(
            'kface gallery add "Lee Ji-eun" photo.jpg --bundle DIR',
            "kface gallery list",
            "kface gallery match group.jpg -k 3 --bundle DIR",
            "kface gallery COMMAND --help",
        ),
    )
    commands: Any = made.add_subparsers(dest="command", title="Commands", metavar="COMMAND")
    # Python 3.6 takes it as an attribute only.
    commands.required = True

    def command(name: str, about: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=about, description=about, parents=list(parents) + [files])

    add = command("add", "enrol a person from images of one face each", model)
    add.add_argument("name", metavar="NAME", help="name of the person, new or already enrolled")
    add.add_argument("images", metavar="IMAGE", nargs="+", help="image file with one face")
    add.add_argument("--keep-crops", action="store_true", help="keep the faces, encrypted, for a later model")
    for limit, value in Limits()._asdict().items():
        metavar, about = GATES[limit]
        if limit == "pitch":
            add.add_argument("--pitch", type=float, nargs=2, metavar=metavar, default=value, help=about)
        else:
            add.add_argument("--" + limit, type=float, metavar=metavar, default=value, help=about)
    shown = command("list", "list the enrolled people, or the templates of some")
    shown.add_argument(
        "names", metavar="NAME", nargs="*", help="list the templates of these people (default: list all people)"
    )
    rename = command("rename", "rename a person")
    rename.add_argument("name", metavar="NAME", help="current name")
    rename.add_argument("new", metavar="NEW", help="new name")
    delete = command("delete", "delete a person, or one of their templates")
    delete.add_argument("name", metavar="NAME", help="name of the person, or the ID from an error message")
    delete.add_argument(
        "--template", type=int, metavar="ID", help="delete only this template; `list NAME` shows the numbers"
    )
    merge = command("merge", "move one person's templates to another, and delete the first")
    merge.add_argument("into", metavar="NAME", help="person who keeps the templates")
    merge.add_argument("other", metavar="OTHER", help="person to delete")
    for name, about in (
        ("export", "write the gallery to one encrypted file"),
        ("import", "add all people of an export"),
    ):
        command(name, "{}; the passphrase is read from the terminal or from {}".format(about, PASSPHRASE)).add_argument(
            "file", metavar="FILE", help="the encrypted file"
        )
    checking = command(
        "check",
        "verify the gallery: rows that are damaged, missing or out of date; templates that resemble another person more than"
        " their own, people with one poor template, and pictures that are enrolled twice",
    )
    checking.add_argument(
        "--bundle", metavar="DIR", help="also list who would be recognised as someone else by this bundle's threshold"
    )
    command("accept", "accept the gallery as it is, even if it is older or lacks rows; unreadable rows are removed")
    again = command("reenrol", "recompute all templates from stored crops, for another model", model)
    again.add_argument("--discard", action="store_true", help="remove templates that have no crop")
    match = command("match", "identify the faces in images", model)
    match.add_argument("images", metavar="IMAGE", nargs="+", help="image file with any number of faces")
    match.add_argument("-k", type=int, metavar="PEOPLE", default=1, help="number of candidates to list for each face")
    deciding = match.add_mutually_exclusive_group()
    deciding.add_argument(
        "--fmr",
        type=float,
        metavar="RATE",
        help="use the threshold of this false match rate, such as 1e-4 (default: the bundle's recommendation)",
    )
    deciding.add_argument(
        "--threshold", type=float, metavar="COSINE", help="similarity threshold, a cosine from -1 to 1"
    )
    return made


def _open(
    arguments: argparse.Namespace, fingerprint: Optional[str] = None, create: bool = False, accept: bool = False
) -> Gallery:
    return open_gallery(arguments.gallery, fingerprint, arguments.key_file, arguments.keyring, create, accept)


def _reader(arguments: argparse.Namespace) -> FaceReader:
    directory = chosen_bundle(arguments.bundle)
    if not directory:
        remedy = "pass the directory of an exported model, or create one: kface export"
        raise ConfigError("is not set, and no bundle was found in outputs or bundles", "--bundle", remedy)
    return open_reader(directory, arguments.runtime, arguments.precision)


def _passphrase(twice: bool) -> str:
    """Return the passphrase of the environment or the terminal; arguments are for everybody to read."""
    given = os.environ.get(PASSPHRASE)
    if given is None:
        if not sys.stdin.isatty():
            raise ConfigError("is not set, and there is no terminal to ask for it", PASSPHRASE, "set it")
        given = getpass.getpass("Passphrase: ")
        if twice and getpass.getpass("Again: ") != given:
            raise ConfigError("the passphrases do not match", None, "try again")
    return check_passphrase(given)


def _add(arguments: argparse.Namespace) -> int:
    name = clean_name(typed_name(arguments.name))
    limits = Limits(*(getattr(arguments, limit) for limit in Limits._fields))
    limits.check("--")
    refused = 0
    with _reader(arguments) as reader, _open(arguments, reader.recognizer.fingerprint, create=True) as gallery:
        enrolment = Enrolment(gallery, reader.recognizer, limits, arguments.keep_crops)
        known = enrolment.known_name(name)
        if known != name:
            _warn("{}: already enrolled as {}, which looks the same".format(name, known))
        for image in arguments.images:
            try:
                made = enrolment.enrol_image(known, image)
            except ImageError as error:
                _warn(error)
                refused += 1
                continue
            _print("{}: template {} of {}".format(image, made.template, made.name))
            if made.warning:
                _warn("{}: warning: {}".format(image, made.warning))
    if refused:
        print_line("gallery: {} of {} images refused".format(refused, len(arguments.images)), sys.stderr)
    return 1 if refused else 0


def _list(arguments: argparse.Namespace) -> int:
    with _open(arguments) as gallery:
        for name in arguments.names:
            for template in gallery.templates(typed_name(name)):
                crop = "with crop" if template.crop else "without crop"
                _print(typed_name(name), template.id, template.created, crop)
        if not arguments.names:
            for person in gallery.list():
                counts = ("{} templates".format(person.templates), "{} crops".format(person.crops))
                _print(person.name, counts[0], counts[1], person.created)
        return _damage(gallery.refresh())


def _check(arguments: argparse.Namespace) -> int:
    with _open(arguments) as gallery:
        found = gallery.check()
        mode = stat.S_IMODE(os.stat(gallery.path).st_mode)
        reviewed = check_gallery(gallery, _recognised(arguments, gallery))
    if os.name != "nt" and mode & 0o077:
        _warn("{}: accessible to other users (mode {:04o}); run chmod 600".format(gallery.path, mode))
    counts = "{} people, {} templates, {} crops".format(found.people, found.templates, found.crops)
    _print("{} valid; {} changes recorded".format(counts, found.changes))
    if found.witness_fault:
        _warn("{}: {}".format(found.witness, found.witness_fault))
    for finding in reviewed.findings:
        _print(finding)
    return _damage(found.damage)


def _recognised(arguments: argparse.Namespace, gallery: Gallery) -> Optional[float]:
    """Return the threshold of the bundle that is named, for the number of people enrolled; its networks are not opened."""
    if arguments.bundle is None:
        return None
    manifest = bundle.load(arguments.bundle, check="sizes").manifest
    gallery.use_model(manifest.fingerprint)
    point = OperatingPoint.from_thresholds(manifest.thresholds, gallery.size)
    if point is None:
        raise ConfigError("the bundle has no thresholds", "--bundle", "leave it out")
    return point.recognised


def _damage(damage: Sequence[Damage]) -> int:
    """Print what cannot be used, and return the exit status."""
    for each in damage:
        _warn(each)
    if damage:
        _warn(
            "rows that cannot be used: {}; delete them by name or ID (rename restores a lost name), import an export over the"
            " gallery, or accept the gallery as it is: kface gallery accept".format(len(damage))
        )
    return 1 if damage else 0


def _accept(arguments: argparse.Namespace) -> int:
    with _open(arguments, accept=True) as gallery:
        for line in gallery.accepted or ["nothing to accept"]:
            _print(line)
    return 0


def _rename(arguments: argparse.Namespace) -> int:
    with _open(arguments) as gallery:
        gallery.rename(typed_name(arguments.name), typed_name(arguments.new))
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    name = typed_name(arguments.name)
    with _open(arguments) as gallery:
        if arguments.template is None:
            _print("{} templates of {} deleted".format(gallery.delete(name), name))
        elif arguments.template in [template.id for template in gallery.templates(name)]:
            gallery.delete_template(arguments.template)
        else:
            raise ConfigError("has no template {}".format(arguments.template), name, "`list NAME` shows its templates")
    return 0


def _merge(arguments: argparse.Namespace) -> int:
    into, other = typed_name(arguments.into), typed_name(arguments.other)
    with _open(arguments) as gallery:
        _print("{} templates of {} moved to {}".format(gallery.merge(into, other), other, into))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    with _open(arguments) as gallery:
        count = gallery.export_to(arguments.file, _passphrase(True))
        _print("{} people written to {}".format(count, arguments.file))
    return 0


def _import(arguments: argparse.Namespace) -> int:
    passphrase = _passphrase(False)
    with _open(arguments, create=True) as gallery:
        done = gallery.import_from(arguments.file, passphrase)
    print_line(
        "{} people added, {} templates added, {} already present".format(done.people, done.templates, done.known)
    )
    return 0


def _reenrol(arguments: argparse.Namespace) -> int:
    with _reader(arguments) as reader, _open(arguments, reader.recognizer.fingerprint) as gallery:
        done = gallery.reenrol(Enrolment(gallery, reader.recognizer).embed, arguments.discard)
    print_line("{} templates recomputed, {} removed".format(done.templates, done.discarded))
    return 0


def _match(arguments: argparse.Namespace) -> int:
    if arguments.k < 1:
        raise ConfigError("must be at least 1, not {}".format(arguments.k), "-k")
    refused = 0
    with _reader(arguments) as reader, _open(arguments, reader.recognizer.fingerprint) as gallery:
        operating_point = _operating_point(arguments, reader, gallery.size)
        for image in arguments.images:
            try:
                faces = reader.recognizer.faces(image)
            except ImageError as error:
                _warn(error)
                refused += 1
                continue
            if not faces:
                _print("{}: no face".format(image))
            for number, face in enumerate(faces, 1):
                place = "{}: face {} at {:.0f},{:.0f}-{:.0f},{:.0f}".format(image, number, *face.box)
                _print("{}: {}".format(place, _answer(gallery, reader, face, arguments.k, operating_point)))
    return 1 if refused else 0


def _operating_point(arguments: argparse.Namespace, reader: FaceReader, people: int) -> Optional[OperatingPoint]:
    if arguments.threshold is not None:
        if not -1 <= arguments.threshold <= 1:
            raise ConfigError("must be a cosine, from -1 to 1, not {:g}".format(arguments.threshold), "--threshold")
        return OperatingPoint(arguments.threshold, arguments.threshold)
    if arguments.fmr is not None:
        if reader.thresholds is None:
            raise ConfigError("the bundle has no thresholds", "--fmr", "pass --threshold")
        threshold = reader.thresholds.at(arguments.fmr)
        return OperatingPoint(threshold, threshold, arguments.fmr)
    return None if reader.recognizer.operating_point is None else reader.recognizer.operating_point_for(people)


def _answer(
    gallery: Gallery, reader: FaceReader, face: FaceEmbedding, k: int, operating_point: Optional[OperatingPoint]
) -> str:
    if face.failed:
        return str(face.reason)
    found = gallery.match(face.embedding, k, reader.thresholds)[0]
    if not found:
        return "unknown (no one is enrolled)"
    parts = []
    for match in found:
        state = "" if operating_point is None else operating_point.state(match.score)
        name = match.name if state in (RECOGNISED, "") else "{} (nearest {})".format(state, match.name)
        rate = "" if match.fmr is None else ", FMR {:g}".format(match.fmr)
        parts.append("{}, score {:.3f}{}".format(name, match.score, rate))
    return "; ".join(parts)


COMMANDS: Dict[str, Callable[[argparse.Namespace], int]] = {
    "add": _add,
    "list": _list,
    "check": _check,
    "accept": _accept,
    "rename": _rename,
    "delete": _delete,
    "merge": _merge,
    "export": _export,
    "import": _import,
    "reenrol": _reenrol,
    "match": _match,
}
