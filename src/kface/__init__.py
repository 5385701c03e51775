"""kface: from a K-Face tree to faces, crops, templates and scores."""

__version__ = "0.1.0"
