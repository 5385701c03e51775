"""K-Face's grammar: captures and their paths, the tables of conditions, annotation files, walks over a tree.

Source: the official repository k-face/k-face_2019. A tree is
``{High,Middle,Low}[_Resolution]/<ID>/S00a/L<l>/E0e/C<p>.jpg``; S is padded to three digits, E to two, L and C are not.
"""

from kface.data.layout.annotation import (
    ANNOTATION_BOXES,
    ANNOTATION_POINTS,
    Annotation,
    format_annotation,
    hidden_parts,
    parse_annotation,
    read_annotation,
)
from kface.data.layout.capture import Capture, Conditions, is_subject, parse
from kface.data.layout.tables import ACCESSORIES, ANNOTATED_LIGHTS, CAMERAS, EXPRESSIONS, LIGHTS, SIZES, Camera, Light
from kface.data.layout.tree import Problem, Problems, Tree, annotation_beside, is_directory, is_file, walk, walk_listing

__all__ = [
    "ACCESSORIES",
    "ANNOTATED_LIGHTS",
    "ANNOTATION_BOXES",
    "ANNOTATION_POINTS",
    "CAMERAS",
    "EXPRESSIONS",
    "LIGHTS",
    "SIZES",
    "Annotation",
    "Camera",
    "Capture",
    "Conditions",
    "Light",
    "Problem",
    "Problems",
    "Tree",
    "annotation_beside",
    "format_annotation",
    "hidden_parts",
    "is_directory",
    "is_file",
    "is_subject",
    "parse",
    "parse_annotation",
    "read_annotation",
    "walk",
    "walk_listing",
]
