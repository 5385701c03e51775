"""``kface pack``: one archive for a board, and with ``--host`` its installation there."""

import argparse
import sys
from typing import List, Optional

from deploy.configuration import resolve
from deploy.jetson.archive import pack, settings_for_board
from deploy.jetson.board_bundle import BoardBundle
from deploy.jetson.remote import Host, install
from deploy.settings import DeploySettings, chosen_bundle
from kface.commands.ending import exit_status
from kface.commands.parser import SettingsParser
from kface.errors import ConfigError

OUT = "outputs"


def main(argv: Optional[List[str]] = None) -> int:
    """Run the command and return its exit status: the installer's, where it ran."""
    arguments = parser().parse_args(argv)
    return exit_status("pack", lambda: _run(arguments))


def parser() -> SettingsParser:
    """Return what reads the arguments."""
    made = SettingsParser(
        "deploy",
        dest="overrides",
        prog="kface pack",
        description="pack code, bundle and settings for a board; with --host send and install them",
        examples=("kface pack source=csi://0", "kface pack --host user@board source=csi://0"),
    )
    made.add_argument("--bundle", metavar="DIR", help="the exported model (default: KFACE_BUNDLE, or the newest)")
    made.add_argument(
        "--out",
        metavar="FILE.tar.gz",
        default=OUT,
        help="archive file, or directory for it (default: %(default)s)",
    )
    made.add_argument("--host", metavar="USER@BOARD", help="copy the archive there and run its installer")
    made.add_argument("--port", type=int, metavar="PORT", help="with --host: TCP port of ssh (default: ssh's own)")
    made.add_argument(
        "--dry-run", action="store_true", help="with --host: print what would be done there and change nothing"
    )
    made.add_argument(
        "--whole-bundle", action="store_true", help="pack all files of the bundle, including those that no board uses"
    )
    return made


def _run(arguments: argparse.Namespace) -> int:
    if arguments.host is None and (arguments.port is not None or arguments.dry_run):
        raise ConfigError("requires --host", "--port" if arguments.port is not None else "--dry-run")
    # A wrong address is reported before a minute is spent on packing.
    host = None if arguments.host is None else Host.parse(arguments.host, arguments.port)
    settings = resolve(arguments.overrides)
    directory = chosen_bundle(arguments.bundle or settings.get("bundle"))
    if not directory:
        raise ConfigError(
            "no bundle in outputs or bundles", "--bundle", "pass --bundle DIR, or create one: kface export"
        )
    packed = pack(directory, settings, arguments.out, arguments.whole_bundle)
    print(
        "{}: {} files, {:.1f} MB, bundle {}".format(packed.path, packed.files, packed.size / 1e6, directory), flush=True
    )
    for line in contents(packed.bundle):
        print(line, flush=True)
    for line in notes(DeploySettings.from_mapping(dict(settings_for_board(settings), bundle=directory))):
        print(line, flush=True)
    if host is None:
        print("on the board:  tar xzf {0}; sudo ./kface-{1}/install.sh".format(packed.path.name, packed.release))
        return 0
    # Without a terminal no question can be asked.
    options = (["--dry-run"] if arguments.dry_run else []) + ([] if sys.stdin.isatty() else ["--yes"])
    return install(str(packed.path), "kface-" + packed.release, host, options)


def contents(chosen: BoardBundle) -> List[str]:
    """Return what of the bundle is packed, with sizes, and what is left out and why."""
    lines = []
    for file in sorted(chosen.kept, key=lambda file: -file.bytes):
        if file.role == "embedder":
            lines.append("  {:32} {:8.1f} MB".format(file.path, file.bytes / 1e6))
    rest = [file for file in chosen.kept if file.role != "embedder"]
    lines.append(
        "  {:32} {:8.1f} MB".format("{} other files".format(len(rest)), sum(file.bytes for file in rest) / 1e6)
    )
    for file, reason in chosen.dropped:
        lines.append("  {:32} {:8.1f} MB left out: {}".format(file.path, file.bytes / 1e6, reason))
    if chosen.dropped:
        lines.append("  (--whole-bundle packs these too)")
    return lines


def notes(settings: DeploySettings) -> List[str]:
    """Return what is to be done on the board by hand.

    Args:
        settings: Those in the archive.
    """
    if settings.stream is None:
        return ["source: a clip of the synthetic sample; for a camera: source=csi://0, stream=rtsp stream.address=..."]
    made = ["source: {}".format(settings.stream.uri)]
    if settings.stream.kind == "rtsp":
        made.append("a camera's user and password are not in the archive; set them on the board:")
        made.append(
            "  KFACE_STREAM_ID and KFACE_STREAM_PASSWORD in /etc/kface/environment, then: sudo systemctl restart kface"
        )
    if settings.stream.kind == "file":
        made.append("the file must already be on the board, outside of /home (which the service cannot see)")
    return made


if __name__ == "__main__":
    sys.exit(main())
