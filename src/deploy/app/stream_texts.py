"""What the stream settings say about each field, and about each reason why a stream does not play."""

import re
from typing import Dict, Tuple

from deploy.app.stream_choice import FILE_ABSENT, FILE_NETWORK, FILE_UNUSABLE, ID_MISSING, NO_CSI, Problem
from deploy.app.texts import tr


def kind_name(kind: str) -> str:
    """Return what a kind of stream is called."""
    return {
        "csi": tr("StreamDialog", "&CSI camera"),
        "rtsp": tr("StreamDialog", "&IP camera"),
        "file": tr("StreamDialog", "&Video file"),
        "v4l2": tr("StreamDialog", "&USB camera"),
        "sample": tr("StreamDialog", "Sa&mple clip"),
    }[kind]


def labels() -> Dict[str, Tuple[str, str]]:
    """Return the label of each field, with the letter that Alt goes there by, and what the field is for."""
    return {
        "csi_device": (tr("StreamDialog", "Camera num&ber"), tr("StreamDialog", "Number of the CSI camera")),
        "usb_device": (
            tr("StreamDialog", "&Device"),
            tr("StreamDialog", "Device of the USB camera, or its number"),
        ),
        "file": (tr("StreamDialog", "&File"), tr("StreamDialog", "Path of the video file")),
        "address": (
            tr("StreamDialog", "&Address"),
            tr("StreamDialog", "Name or IP address of the camera; a whole rtsp:// URL can be pasted here"),
        ),
        "port": (tr("StreamDialog", "P&ort"), tr("StreamDialog", "TCP port of the camera, most often 554")),
        "path": (
            tr("StreamDialog", "RTSP &path"),
            tr("StreamDialog", "Path of the stream, from the camera's manual"),
        ),
        "id": (tr("StreamDialog", "I&D"), tr("StreamDialog", "User of the camera")),
        "password": (tr("StreamDialog", "Pass&word"), tr("StreamDialog", "Password of the camera's user")),
        "resolution": (
            tr("StreamDialog", "&Resolution"),
            tr("StreamDialog", "Width and height that a camera is asked for and frames are fitted into"),
        ),
        "fps": (
            tr("StreamDialog", "Frames a &second"),
            tr("StreamDialog", "Frames a second that are taken at most"),
        ),
        "view": (tr("StreamDialog", "Vi&ew size"), tr("StreamDialog", "Size of the live view in pixels")),
        "dnn_size": (
            tr("StreamDialog", "D&NN resize"),
            tr("StreamDialog", "Width and height that frames are reduced to for finding faces"),
        ),
    }


def plain(label: str) -> str:
    """Return a label without the letter that Alt goes there by, which Korean writes behind it: "주소(&A)"."""
    return re.sub(r"\(&.\)|&", "", label)


def sentence(problem: Problem) -> str:
    """Return what is wrong with a field and what to do, in one sentence."""
    special = {
        ID_MISSING: tr("StreamDialog", "Enter the id that the password belongs to."),
        FILE_ABSENT: tr("StreamDialog", "There is no such file: choose another one."),
        FILE_UNUSABLE: tr("StreamDialog", "This file is empty or cannot be opened: choose another one."),
        FILE_NETWORK: tr("StreamDialog", "This is a camera's address: choose the IP camera and enter it there."),
        NO_CSI: tr("StreamDialog", "A CSI camera needs a Jetson whose OpenCV has GStreamer: choose another kind."),
    }
    if problem.wrong in special:
        return special[problem.wrong]
    return {
        "kind": tr("StreamDialog", "Choose what to watch."),
        "csi_device": tr("StreamDialog", "Enter the number of the CSI camera, 0 to 9."),
        "usb_device": tr("StreamDialog", "Enter the camera's number or device, such as 0 or /dev/video0."),
        "resolution": tr("StreamDialog", "Enter width and height such as 1280x720, each from 16 to 8192."),
        "fps": tr("StreamDialog", "Choose 1 to 30 frames a second, or all."),
        "address": tr("StreamDialog", "Enter the camera's name or IP address, such as 192.168.0.10."),
        "port": tr("StreamDialog", "Enter a port from 1 to 65535; most cameras use 554."),
        "path": tr("StreamDialog", "Enter the RTSP path from the camera's manual, such as /live."),
        "id": tr("StreamDialog", "Enter an id without a colon."),
        "password": tr("StreamDialog", "Enter the password itself, in visible characters."),
        "file": tr("StreamDialog", "Choose a video file."),
        "view": tr("StreamDialog", "Choose one of the sizes."),
        "dnn_size": tr("StreamDialog", "Enter width and height such as 640x360, each from 12 to 8192."),
    }[problem.field]


def reason(line: str) -> str:
    """Return why a stream does not play, in the user's language: the line of an error of :mod:`kface.streams`, explained.

    Args:
        line: Such as :attr:`deploy.status.Status.reason`; what is not known stays as it is.
    """
    for pattern, explanation in _reasons():
        # Behind the address or the path, which are the user's own words.
        found = re.search("(?:^|: )(?:{})".format(pattern), line)
        if found is not None:
            return explanation.format(*found.groups())
    return line


def _reasons() -> Tuple[Tuple[str, str], ...]:
    return (
        (
            "rejected the id or the password",
            tr("StreamReason", "The camera rejected the id or the password: correct them."),
        ),
        (
            "requires an id and a password",
            tr("StreamReason", "The camera wants an id and a password: enter them."),
        ),
        (
            "has no stream at this path",
            tr("StreamReason", "The camera has no stream at this RTSP path: correct the path."),
        ),
        (
            "did not answer within",
            tr("StreamReason", "The camera does not answer: check address, port and network."),
        ),
        (
            r"cannot be reached \((?:no such name|Name or service not known|.*name resolution.*|No address .*)\)",
            tr("StreamReason", "No camera is known by this name: correct the address, or enter the IP address."),
        ),
        (
            r"cannot be reached \(Connection refused\)",
            tr("StreamReason", "Nothing listens at this address and port: correct the port, or switch the camera on."),
        ),
        (
            "cannot be reached",
            tr("StreamReason", "The camera cannot be reached: check address, port and network."),
        ),
        (
            "does not answer as an RTSP server",
            tr("StreamReason", "This is not an RTSP camera: check address and port."),
        ),
        (
            "redirects",
            tr("StreamReason", "The camera sends us to another address: enter that address."),
        ),
        (
            "requires a login that is neither Basic nor Digest",
            tr("StreamReason", "The camera wants an unknown kind of login: choose Basic or Digest in its settings."),
        ),
        (
            r"answered (\d{3})",
            tr("StreamReason", "The camera refused with code {0}: check its settings."),
        ),
        (
            r"no frame (?:for|within) ([\d.]+) s",
            tr("StreamReason", "No picture came for {0} seconds: check the camera and the network."),
        ),
        (
            r"cannot be opened \(Permission denied\)",
            tr("StreamReason", "This file may not be read: change its permissions, or choose another one."),
        ),
        (
            r"cannot be opened \((?:No such file or directory|no such file)\)",
            tr("StreamReason", "There is no such file: choose another one."),
        ),
        (
            r"is empty \(0 bytes\)",
            tr("StreamReason", "This file is empty: choose another one."),
        ),
        (
            "is not a file",
            tr("StreamReason", "This is a folder or a device, not a file: choose a video file."),
        ),
        (
            "cannot be decoded; check the camera's codec",
            tr("StreamReason", "The camera's pictures cannot be decoded: choose H.264 in its settings."),
        ),
        (
            "OpenCV .* cannot convert",
            tr(
                "StreamReason",
                "The video is interlaced, which this OpenCV cannot play: convert it to progressive video.",
            ),
        ),
        (
            "stopped; check",
            tr("StreamReason", "The camera has stopped: check that it is on."),
        ),
        (
            "cannot be decoded|has no frame that can be decoded",
            tr("StreamReason", "This file is not a video that can be played: convert it, for instance to MP4."),
        ),
        (
            "no such camera",
            tr("StreamReason", "There is no such camera: plug it in, or choose another one."),
        ),
        (
            "this user may not open it",
            tr("StreamReason", "You may not use this camera: your user must be in the group video."),
        ),
        (
            "cannot be opened; check",
            tr("StreamReason", "The camera cannot be opened: check its cable, and that no other program uses it."),
        ),
        (
            "needs a Jetson with GStreamer",
            tr("StreamReason", "A CSI camera needs a Jetson whose OpenCV has GStreamer: choose another kind."),
        ),
        (
            "longer than FFmpeg's limit",
            tr("StreamReason", "Id and password are too long for the decoder: use shorter ones."),
        ),
    )
