"""The gallery: who is enrolled, kept so that it survives, and searched exactly."""

import os
from typing import Callable, List, Optional, Sequence, Tuple, Union

import numpy as np

from kface.bundle.thresholds import Thresholds
from kface.errors import GalleryError
from kface.gallery import archive, removal, transfer
from kface.gallery.cipher import ForgedError
from kface.gallery.crops import decode_crop, encode_crop
from kface.gallery.file import GalleryFile
from kface.gallery.index import Index, search
from kface.gallery.reenrolment import ModelSwitch, reenrol
from kface.gallery.removal import Removed
from kface.gallery.values import Imported, Match, Person, Reenrolled, Template, clean_name, unit

PathLike = Union[str, "os.PathLike[str]"]


class Gallery(GalleryFile):
    """Enrolled people with several templates each, in one encrypted file.

    Templates, kept crops and names are encrypted with AES-256-GCM; each is bound to its person, number, handle and schema,
    templates and crops to the model as well. A sealed list has the newest state of every row and counts the changes, and the
    user's state directory has the newest count (:mod:`kface.gallery.witness`). So a row that was changed, moved, put back or
    taken away is found: it is left out, logged and listed (:attr:`damage`, :meth:`check`), and everybody else is recognised
    as before. A file that is damaged as a whole, was replaced by an older one or by another gallery is refused until that is
    accepted. Not protected: how many people and templates there are, when each was enrolled, the model's fingerprint; and
    who can write both the file and the state directory can put back both. While the gallery is open the templates lie in
    this process' memory in the clear. ``docs/adr/0011-what-a-gallery-proves.md`` has the details.

    A large gallery has an encrypted search file beside it (:mod:`kface.gallery.search_file`), with which it opens without
    reading its rows: they were proven when that was written, and :meth:`check` proves them again.

    What :meth:`add` and the others have returned from is on the disk: neither ``kill -9`` nor a power cut loses it. Several
    processes may have the gallery open at once, on a local disk; each sees the others' changes with its next call. Threads
    may share an object. To copy a gallery that is in use, export it: the file alone lacks its newest part.

    Args:
        path: The file; made where it is not there, readable by its owner only.
        fingerprint: Of the model whose templates these are (:attr:`kface.bundle.BundleManifest.fingerprint`). None takes the
            one that the file has, for what needs no model: to list, rename, merge, delete, export and import.
        key: 32 bytes, see :func:`kface.gallery.keys.find_key`.
        create: Whether the file may be made.
        timeout: Seconds to wait for another process' turn.
        accept: Take the file as it is, although rows are missing or it is older than it was: the list of rows is rebuilt,
            and what cannot be read is removed.

    Attributes:
        accepted: What `accept` did, a line each.

    Raises:
        GalleryError: The key is another one, or the file is damaged as a whole, is older than it was, cannot be used, or is
            absent and not to be made.
        ConfigError: The ``cryptography`` package is not installed.

    Example:
        >>> with Gallery("gallery.db", bundle.manifest.fingerprint, find_key(create=True)) as gallery:  # doctest: +SKIP
        ...     gallery.add("Kim", embedding)
        ...     gallery.match(probes)[0]
    """

    #: How many are enrolled, and as of which version.
    _size: Tuple[int, int] = (-1, 0)

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enrolled_name(self, name: str) -> Optional[str]:
        """Return the name of the person who has this name, or one that looks the same; None where no one has."""
        name = clean_name(name)
        with self._lock, self._store.snapshot() as db:
            person = self._rows.find_name(db, name)
            return None if person is None else self._rows.people(db).names.get(person)

    def add(self, name: str, embedding: np.ndarray, crop: Optional[np.ndarray] = None) -> int:
        """Enrol one template, for a new person or for one who is there already.

        Args:
            name: The person's name, see :func:`kface.gallery.values.clean_name`.
            embedding: (d,), of any length but 0.
            crop: uint8 (112, 112, 3), RGB, the aligned face, to be kept (encrypted) for a later model; None keeps none.

        Returns:
            The template's ID; it is on the disk by then.

        Raises:
            GalleryError: The gallery is of another model, or a value is none of these.
        """
        return self.add_many(name, np.asarray(embedding)[None], None if crop is None else [crop])[0]

    def add_many(
        self, name: str, embeddings: np.ndarray, crops: Optional[Sequence[Optional[np.ndarray]]] = None
    ) -> List[int]:
        """Enrol several templates of one person, all of them or none; see :meth:`add`.

        Args:
            name: The person's name.
            embeddings: (n, d), n at least 1.
            crops: One for each embedding, or None.
        """
        name = clean_name(name)
        vectors = unit(embeddings)
        if not len(vectors):
            raise GalleryError("no embedding to enrol", name)
        crops = [None] * len(vectors) if crops is None else crops
        if len(crops) != len(vectors):
            raise GalleryError("{} crops for {} embeddings".format(len(crops), len(vectors)), name)
        pngs = [None if crop is None else encode_crop(crop) for crop in crops]
        with self._writing() as db:
            fingerprint = self._model.claim(vectors.shape[1])
            person = self._rows.find_name(db, name) or self._rows.add_person(db, name)
            return [
                self._rows.add_template(db, person, fingerprint, _bytes(vector), png)
                for vector, png in zip(vectors, pngs)
            ]

    @property
    def size(self) -> int:
        """How many people :meth:`list` has."""
        version = self.version()
        if self._size[0] != version:
            self._size = (version, len(self.list()))
        return self._size[1]

    def list(self) -> List[Person]:
        """Return who is enrolled, by name, without those whose names cannot be read (:meth:`check` has these)."""
        with self._lock, self._store.snapshot() as db:
            names = self._rows.people(db).names
            rows = db.execute(
                "SELECT p.id, count(t.id), count(c.template), p.created FROM person p"
                " LEFT JOIN template t ON t.person = p.id LEFT JOIN crop c ON c.template = t.id GROUP BY p.id"
            ).fetchall()
            people = [Person(row[0], names[row[0]], *row[1:]) for row in rows if row[0] in names]
        return sorted(people, key=lambda person: person.name)

    def templates(self, person: str) -> List[Template]:
        """Return a person's templates.

        Args:
            person: The name or the ID.

        Raises:
            GalleryError: The person does not exist.
        """
        with self._lock, self._store.snapshot() as db:
            rows = db.execute(
                "SELECT t.id, t.created, c.template IS NOT NULL FROM template t LEFT JOIN crop c ON c.template = t.id"
                " WHERE t.person = ? ORDER BY t.id",
                (self._known(db, person),),
            ).fetchall()
        return [Template(row[0], row[1], bool(row[2])) for row in rows]

    def crop(self, template: int) -> Optional[np.ndarray]:
        """Return a template's kept crop, uint8 (112, 112, 3) RGB, or None where none is kept.

        Raises:
            GalleryError: The template does not exist, or its crop was changed.
        """
        with self._lock, self._store.snapshot() as db:
            png = self._rows.crop(db, template, self._owner(db, template), self._model.current() or "")
        return None if png is None else decode_crop(png, "the crop of template {}".format(template))

    def rename(self, person: str, name: str) -> None:
        """Give a person another name.

        Args:
            person: The name up to now, or the ID.
            name: The name from now on.

        Raises:
            GalleryError: The person does not exist, or another has that name.
        """
        name = clean_name(name)
        with self._writing() as db:
            who = self._known(db, person)
            if self._rows.find_name(db, name) not in (None, who):
                raise GalleryError("the name is already enrolled", name, "merge the two, or choose another name")
            self._rows.write_person(db, who, name)

    def delete(self, person: str) -> int:
        """Delete a person, by name or ID, and return how many templates that were.

        Raises:
            GalleryError: The person does not exist.
        """
        with self._lock:
            with self._writing() as db:
                who = self._known(db, person)
                count = self._rows.remove_person(db, who)
            self._store.forget()
        return count

    def delete_template(self, template: int) -> None:
        """Forget one template and its crop; the person stays. Raises GalleryError where there is none."""
        with self._lock:
            with self._writing() as db:
                self._owner(db, template)
                self._rows.remove_template(db, template)
            self._store.forget()

    def take_out(self, person: str, template: Optional[int] = None) -> Removed:
        """Delete a person, or one of their templates, and return what :meth:`restore` needs to undo that.

        The file has nothing of it any more, as after :meth:`delete`; what is returned is in memory alone.

        Args:
            person: The name or the ID.
            template: The template's ID; the complete person where None.

        Raises:
            GalleryError: The person or template does not exist, or the person's name cannot be read (:meth:`delete`
                deletes such a person all the same).
        """
        with self._lock:
            with self._writing() as db:
                who = self._known(db, person)
                if template is not None and self._owner(db, template) != who:
                    raise GalleryError("has no template {}".format(template), person)
                removed = removal.read(db, self._rows, self._model, who, None if template is None else [template])
                if template is None:
                    self._rows.remove_person(db, who)
                else:
                    self._rows.remove_template(db, template)
            self._store.forget()
        return removed

    def restore(self, removed: Removed) -> int:
        """Undo :meth:`take_out`, and return how many templates are back: with their crops, times, IDs and the person's ID.

        Raises:
            GalleryError: Someone else has the name by now, the gallery is of another model, the person is enrolled already,
                or, where a template is to come back, is not. Nothing has changed then.
        """
        with self._writing() as db:
            return removal.restore(db, self._rows, self._model, removed, self.path)

    def merge(self, into: str, other: str) -> int:
        """Give one person another's templates and forget the other, for instance where one was enrolled under two names.

        Args:
            into: Who stays, by name or ID.
            other: Who goes.

        Returns:
            How many templates moved; they keep their IDs.

        Raises:
            GalleryError: The person does not exist, the two are one, or a template was changed since it was written.
        """
        with self._writing() as db:
            stays, goes = self._known(db, into), self._known(db, other)
            if stays == goes:
                raise GalleryError("is the same person twice", other, "give two")
            fingerprint = self._model.current() or ""
            moving = self._rows.entries(db, goes)
            for template, _, _ in moving:
                self._rows.move(db, template, (goes, fingerprint), (stays, fingerprint), None)
            self._rows.remove_person(db, goes)
        return len(moving)

    def match(self, embeddings: np.ndarray, k: int = 1, thresholds: Optional[Thresholds] = None) -> List[List[Match]]:
        """Search for probes among all templates, exactly.

        Args:
            embeddings: (n, d) or (d,), of any length but 0.
            k: How many people to return for each, at least 1.
            thresholds: The bundle's table, for the false match rate that a score stands for.

        Returns:
            For each probe the k people most like it, the best first; fewer where fewer have templates.

        Raises:
            GalleryError: The gallery is of another model, a template was changed since it was written, or a value is none
                of these.
        """
        if k < 1:
            raise GalleryError("k must be at least 1, not {}".format(k))
        if np.asarray(embeddings).ndim == 2 and not len(embeddings):
            return []
        probes = unit(embeddings)
        with self._lock:
            index = self._cache.current()
        if index.entries and index.matrix.shape[1] != probes.shape[1]:
            raise GalleryError(
                "its templates have {} dimensions, not {}".format(index.matrix.shape[1], probes.shape[1]),
                self.path,
                "use the model that the gallery was made with",
            )
        try:
            return search(index, probes, k, thresholds)
        except ForgedError:
            with self._lock:
                index = self._cache.distrust()
            return search(index, probes, k, thresholds)

    def index(self) -> Index:
        """Return all templates as they are now; it does not change, and is for reading only (see :mod:`.review`).

        Raises:
            GalleryError: As :meth:`match`.
        """
        with self._lock:
            return self._cache.complete()

    def reenrol(self, embed: Callable[[np.ndarray], np.ndarray], discard: bool = False, batch: int = 64) -> Reenrolled:
        """Compute all templates again with the model that the gallery was opened for, from their kept crops; see there.

        Args:
            embed: Takes uint8 (n, 112, 112, 3) RGB and returns (n, d).
            discard: Whether templates without a crop, which cannot be computed again, are removed; the people stay.
            batch: Crops to embed at once.

        Raises:
            GalleryError: Templates without a crop are there and not to be removed; nothing has changed then.
        """
        with self._lock:
            done = reenrol(self._parts, embed, discard, batch, self._lock)
            self._cache.expire()
            return done

    def reenrol_in_use(
        self, switch: ModelSwitch, embed: Callable[[np.ndarray], np.ndarray], discard: bool = False, batch: int = 16
    ) -> Reenrolled:
        """Go over to another model as :meth:`reenrol` does, while others search for the old one until all is done.

        Args:
            switch: The new model, and what to do at the moment of the change; it calls :meth:`use_model`.
            embed: See :meth:`reenrol`; may raise to cancel, and nothing has changed then.
            discard: See there.
            batch: See there.

        Raises:
            GalleryError: See there.
        """
        return reenrol(self._parts, embed, discard, batch, self._lock, switch)

    def export_to(self, path: PathLike, passphrase: str) -> int:
        """Write everything to one encrypted file, for a copy or another machine; return how many people that were.

        Args:
            path: The file; an earlier export is replaced once the new one is complete, any other file is left alone.
            passphrase: At least 8 characters; the key is derived from it by scrypt. Without it no one can read the file.

        Raises:
            GalleryError: The passphrase is too short, a row is missing or was changed, or the file cannot be written, or
                belongs to the gallery.
        """
        transfer.check_target(path, self.path, self._kept)
        lock = archive.lock(passphrase)
        with self._lock, self._store.snapshot() as db:
            return transfer.export_to(path, lock, db, self._rows, self._model)

    def import_from(self, path: PathLike, passphrase: str) -> Imported:
        """Add everybody of an export, all or nothing; who has a name that is there gets the templates added.

        A gallery without templates takes an export of any model (then see :meth:`reenrol`), another one its own only.

        Raises:
            GalleryError: It is not an export, is damaged, of another model, or the passphrase is another one.
        """
        with transfer.opened(path, passphrase) as source, self._writing() as db:
            return transfer.import_from(source, path, db, self._rows, self._model)


def _bytes(vector: np.ndarray) -> bytes:
    return vector.astype("<f4").tobytes()
