"""Cameras and video files by one URI scheme: ``file:PATH``, ``rtsp://...``, ``csi://0``, ``v4l2:///dev/video0``.

:class:`Stream` plays one and keeps the newest frame; :class:`VideoFile` reads a file without loss. Both are a
:class:`VideoSource`.
"""

from kface.streams.clock import Timing
from kface.streams.credentials import Secret
from kface.streams.frame import Frame, State, StateChange, StreamError, StreamRefusedError, UnusableStreamError
from kface.streams.pictures import Shortfall
from kface.streams.read_ahead import ReadAhead
from kface.streams.settings import KINDS, VIEW_SIZES, StreamSettings
from kface.streams.source import VideoSource
from kface.streams.stream import Stream
from kface.streams.video_file import VideoFile

__all__ = [
    "KINDS",
    "VIEW_SIZES",
    "Frame",
    "ReadAhead",
    "Secret",
    "Shortfall",
    "State",
    "StateChange",
    "Stream",
    "StreamError",
    "StreamRefusedError",
    "StreamSettings",
    "Timing",
    "UnusableStreamError",
    "VideoFile",
    "VideoSource",
]
