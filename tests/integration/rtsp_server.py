"""A real RTSP server on 127.0.0.1 for tests: `/usr/bin/python3 rtsp_server.py --port 8554 CLIP.mp4`, CLIP with H.264.

Every client gets the clip from its beginning, at its own speed, at rtsp://127.0.0.1:PORT/clip. With --login basic or digest
the id and the password are the two lines of standard input: a command line could be read by everybody. Prints "ready".
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", required=True)
    parser.add_argument("--login", choices=("none", "basic", "digest"), default="none")
    parser.add_argument("clip")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f'( filesrc location="{options.clip}" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )'
    )
    if options.login != "none":
        name, password = sys.stdin.readline().rstrip("\n"), sys.stdin.readline().rstrip("\n")
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        if options.login == "basic":
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
        else:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(name, password, token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_role("viewer")
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/clip", factory)
    if not server.attach(None):
        sys.exit("the port is in use")
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
