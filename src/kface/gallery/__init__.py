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
from kface.gallery.enrolment import EnrolledFace, Enrolment, duplicate
from kface.gallery.gallery import Gallery
from kface.gallery.gate import QualityGate
from kface.gallery.keys import ENVIRONMENT, ENVIRONMENT_FILE, default_key_file, find_key, new_key
from kface.gallery.opening import default_gallery_file, open_gallery
from kface.gallery.quality import Limits, Quality, Refusal, measure, refusals, require
from kface.gallery.values import Damage, Imported, Match, Person, Reenrolled, Template

__all__ = [
    "ENVIRONMENT",
    "ENVIRONMENT_FILE",
    "Checked",
    "Damage",
    "EnrolledFace",
    "Enrolment",
    "Gallery",
    "GalleryError",
    "Imported",
    "Limits",
    "Match",
    "Person",
    "Quality",
    "QualityGate",
    "Reenrolled",
    "Refusal",
    "Template",
    "default_gallery_file",
    "default_key_file",
    "duplicate",
    "find_key",
    "measure",
    "new_key",
    "open_gallery",
    "refusals",
    "require",
]
