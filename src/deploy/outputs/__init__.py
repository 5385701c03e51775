"""Where results go: a video, JSON lines, snapshots."""

from deploy.outputs.base import Output
from deploy.outputs.json_lines import JsonLines
from deploy.outputs.snapshots import Snapshots
from deploy.outputs.video import VideoOutput

__all__ = ["JsonLines", "Output", "Snapshots", "VideoOutput"]
