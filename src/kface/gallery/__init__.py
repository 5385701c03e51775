"""Enrolled people: several templates each, encrypted at rest, searched exactly, kept through ``kill -9``.

Example:
    >>> from kface.gallery import open_gallery
    >>> with open_gallery("gallery.db", bundle.manifest.fingerprint) as gallery:  # doctest: +SKIP
    ...     gallery.add("Kim", embedding)
    ...     gallery.match(probes, k=1)[0][0].name
    'Kim'
"""

from kface.errors import GalleryError
from kface.gallery.checking import Checked
from kface.gallery.enrolment import EnrolledFace, Enrolment, FoundFace, FoundFaces, duplicate
from kface.gallery.gallery import Gallery
from kface.gallery.gate import QualityGate
from kface.gallery.keys import ENVIRONMENT, ENVIRONMENT_FILE, default_key_file, find_key, new_key
from kface.gallery.opening import default_gallery_file, open_gallery
from kface.gallery.quality import Limits, Quality, Refusal, measure, refusals, require
from kface.gallery.reenrolment import ModelSwitch
from kface.gallery.removal import Removed
from kface.gallery.review import Finding, Review, check_gallery
from kface.gallery.several import ADDED, CANCELLED, CHOOSE, REFUSED, FileResult, enrol_file, enrol_files
from kface.gallery.values import Damage, Imported, Match, Person, Reenrolled, Template

__all__ = [
    "ADDED",
    "CANCELLED",
    "CHOOSE",
    "ENVIRONMENT",
    "ENVIRONMENT_FILE",
    "REFUSED",
    "Checked",
    "Damage",
    "EnrolledFace",
    "Enrolment",
    "FileResult",
    "Finding",
    "FoundFace",
    "FoundFaces",
    "Gallery",
    "GalleryError",
    "Imported",
    "Limits",
    "Match",
    "ModelSwitch",
    "Person",
    "Quality",
    "QualityGate",
    "Reenrolled",
    "Refusal",
    "Removed",
    "Review",
    "Template",
    "check_gallery",
    "default_gallery_file",
    "default_key_file",
    "duplicate",
    "enrol_file",
    "enrol_files",
    "find_key",
    "measure",
    "new_key",
    "open_gallery",
    "refusals",
    "require",
]
