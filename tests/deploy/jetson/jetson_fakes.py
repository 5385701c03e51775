"""Boards made of a directory and of small scripts in place of the system's commands."""

import json
import os
import shutil
from pathlib import Path

import deploy
from deploy.jetson.archive import EXECUTABLE, TOP
from deploy.jetson.releases import SUMS, sums_text
from kface.files import sha256_file

FILES = Path(deploy.__file__).parent / "jetson" / "files"
COMMANDS = (
    "apt-get", "dpkg-query", "gst-inspect-1.0", "journalctl", "nvpmodel", "runuser", "systemctl",
    "useradd", "userdel", "usermod",
)  # fmt: skip
#: What all of them do: they write down how they were called, and do as much as the installer looks at.
SCRIPT = r"""#!/bin/sh
name=$(basename "$0"); B=@BOARD@; R=@ROOT@
echo "$name $*" >> "$B/log"
[ -f "$B/fail/$name" ] && { cat "$B/fail/$name"; exit 7; }
case "$name" in
dpkg-query) cat "$B/packages";;
apt-get)
    for last; do :; done
    [ "$1" = update ] && exit 0
    [ -f "$B/refuse/$last" ] && { echo "E: Unable to locate package $last"; exit 100; }
    touch "$B/has/$last";;
gst-inspect-1.0) [ "$1" = --version ] || [ -f "$B/elements/$2" ];;
nvpmodel) cat "$B/nvpmodel";;
journalctl) echo "Started kface"; echo "deploy: camera.mp4: there is no such file"; echo "Main process exited";;
runuser) [ "$1 $2 $3" = "-u kface --" ] || exit 9; shift 3; exec "$@";;
useradd) echo "kface:x:4711:4712::/var/lib/kface:/usr/sbin/nologin" >> "$R/etc/passwd"; echo "kface:x:4712:" >> "$R/etc/group";;
usermod) sed -i "s/^\($3:.*:\)\(.*\)$/\1\2,kface/" "$R/etc/group";;
userdel) sed -i "/^kface:/d" "$R/etc/passwd" "$R/etc/group";;
systemctl)
    case "$1" in
    is-active) [ -f "$B/active" ];;
    stop|disable) rm -f "$B/active";;
    start|restart)
        if [ -f "$B/dies/$(readlink "$R/opt/kface/current")" ]; then rm -f "$B/active"
        else readlink "$R/opt/kface/current" > "$B/active"; fi;;
    esac;;
esac
"""
PYTHON = r"""#!/bin/sh
B=@BOARD@
isolated=
while :; do
    case "$1" in
    -I) isolated=yes; shift;;
    -B|-u) shift;;
    -m) what=$2; shift 2; break;;
    -c) what=pip; shift 2; break;;
    */deploy/launch.py) [ "$2" = --wheels ] || exit 9; echo "$1 $3" >> "$B/launched"; what=$4; shift 4; break;;
    *) exit 9;;
    esac
done
echo "python $what $*" >> "$B/log"
[ -n "$isolated" ] || echo "$what" >> "$B/exposed"
case "$what" in
deploy.jetson.probe)
    need=$(cat "$B/needs/$1" 2>/dev/null)
    for one in $need; do [ -e "$B/has/$one" ] || { echo "{\"error\": \"No module named '$1'\"}"; exit 1; }; done
    [ -f "$B/signal/$1" ] && kill -"$(cat "$B/signal/$1")" $$
    cat "$B/probe/$1";;
kface.tensorrt) echo "pnet.onnx fp16 agrees"; env > "$B/engines.env"; [ -f "$B/active" ] && echo 1 > "$B/ran-beside"
    [ -f "$B/status/engines" ] && exit "$(cat "$B/status/engines")"; exit 0;;
deploy) echo "640x360 1 face 17 fps"; [ -f "$B/status/bench" ] && exit 1; exit 0;;
pip) touch "$B/has/wheels";;
esac
"""
NANO_MODES = "< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=1 NAME=5W >\n"
ORIN_MODES = "".join("< POWER_MODEL ID={} NAME={} >\n".format(*row) for row in enumerate(["15W", "25W", "MAXN_SUPER"]))
GPU = "/sys/class/devfreq/57000000.gpu"

#: A board each: L4T's line, model, packages, nvpmodel's answer and modes, MiB of memory, Python, what is lacking.
BOARDS = {
    "nano": {
        "release": "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref, EABI: aarch64, DATE: Sat Feb 19 2022",
        "model": "NVIDIA Jetson Nano Developer Kit\0",
        "packages": "nvidia-l4t-core 32.7.1-20220219090344 installed\nnvidia-jetpack 4.6.1-b110 installed\n",
        "power": "NV Power Mode: 5W\n1\n",
        "modes": NANO_MODES,
        "memory": 3964,
        "python": "3.6.9",
        "lacking": {"yaml": "python3-yaml", "cryptography": "python3-cryptography", "runtimes": "wheels"},
        "says": ("JetPack 4.6.1 (L4T 32.7.1)", "TensorRT 8.2, CUDA 10.2", "5W (1)", "nvpmodel -m 0", "4 GB of swap"),
    },
    "xavier": {
        "release": "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, DATE: Tue Aug  1 2023",
        "model": "NVIDIA Jetson Xavier NX Developer Kit\0",
        "packages": "nvidia-l4t-core 35.4.1-20230801124926 installed\n",
        "power": "NV Power Mode: MAXN\n0\n",
        "modes": NANO_MODES,
        "memory": 15823,
        "python": "3.8.10",
        "lacking": {"tensorrt": "python3-libnvinfer"},
        "says": ("JetPack 5.1.2 (L4T 35.4.1)", "TensorRT 8.4-8.5", "mode MAXN (0)"),
    },
    "orin": {
        "release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 2025",
        "model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
        "packages": "nvidia-l4t-core 36.4.3-20250107174145 installed\n",
        "power": "NV Power Mode: 15W\n0\n",
        "modes": ORIN_MODES,
        "memory": 7620,
        "python": "3.10.12",
        "lacking": {"cv2": "libopencv-python"},
        "says": ("JetPack 6.2 (L4T 36.4.3)", "15W (0) limits the board", "nvpmodel -m 2 selects MAXN_SUPER"),
    },
    "thor": {
        "release": "# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic, EABI: aarch64, DATE: Fri Aug 22 2025",
        "model": "NVIDIA Jetson AGX Thor Developer Kit\0",
        "packages": "nvidia-l4t-core 38.2.0-20250821174705 installed\n",
        "power": "NV Power Mode: MAXN\n0\n",
        "modes": NANO_MODES,
        "memory": 125772,
        "python": "3.12.3",
        "lacking": {"cv2": "python3-opencv"},
        "says": ("JetPack 7.0 (L4T 38.2.0)", "TensorRT 10.13, CUDA 13.0"),
    },
    "pc": {
        "release": None,
        "model": None,
        "packages": "",
        "power": None,
        "modes": None,
        "memory": 15900,
        "python": "3.11.2",
        "lacking": {"numpy": "python3-numpy", "runtimes": "wheels"},
        "says": ("a PC or an unknown board", "not a Jetson: no engines"),
    },
}


class FakeBoard:
    """One of BOARDS below a directory; `board` holds what its commands know, `root` its files."""

    def __init__(self, folder, monkeypatch, kind="nano", booted=True):
        facts = BOARDS[kind]
        self.kind, self.facts = kind, facts
        self.root, self.board, self.bin = folder / "root", folder / "board", folder / "bin"
        for place in (
            "etc/systemd/system",
            "opt",
            "var/lib",
            "var/cache",
            "usr/local/bin",
            "dev/dri",
            "proc/device-tree",
        ):
            (self.root / place).mkdir(parents=True)
        for place in ("has", "fail", "refuse", "elements", "needs", "signal", "probe", "status", "dies"):
            (self.board / place).mkdir(parents=True)
        if booted:
            (self.root / "run/systemd/system").mkdir(parents=True)
        self.put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
        self.put("/etc/group", "root:x:0:\nvideo:x:44:kim\nrender:x:105:\n")
        self.put("/etc/hostname", "porch\n")
        self.put("/proc/meminfo", "MemTotal:        {} kB\nMemFree: 1 kB\n".format(facts["memory"] * 1024))
        zram = "/dev/zram0 partition 507404 0 5\n" * 4
        self.put("/proc/swaps", "Filename Type Size Used Priority\n" + zram)
        (self.board / "packages").write_text(facts["packages"])
        if facts["release"]:
            self._make_jetson(facts)
        else:
            (self.board / "fail" / "nvpmodel").write_text("no such thing")
        self._make_answers(facts)
        self._make_commands(monkeypatch)

    def _make_jetson(self, facts):
        self.put("/etc/nv_tegra_release", facts["release"] + "\n")
        self.put("/proc/device-tree/model", facts["model"])
        self.put("/etc/nvpmodel.conf", facts["modes"])
        (self.board / "nvpmodel").write_text(facts["power"])
        for node in ("nvhost-ctrl", "nvhost-gpu", "nvmap", "video0", "dri/renderD128", "nvsciipc", "odd-one"):
            self.put("/dev/" + node, "")
        csv = "dev, /dev/odd-one\nlib, /usr/lib/x.so\ndev, /dev/../etc/passwd\ndev, /dev/absent\n"
        self.put("/etc/nvidia-container-runtime/host-files-for-container.d/l4t.csv", csv)
        self.put(GPU + "/min_freq", "76800000\n")
        self.put(GPU + "/max_freq", "921600000\n")
        self.put("/sys/devices/pwm-fan/target_pwm", "0\n")

    def _make_answers(self, facts):
        answers = {
            "python": {"version": facts["python"], "machine": "aarch64"},
            "numpy": {"version": "1.13.3"},
            "cv2": {"version": "4.1.1", "gstreamer": True, "path": "/usr/lib/python3/dist-packages/cv2"},
            "yaml": {"version": "3.12"},
            "cryptography": {"version": "2.1.4"},
            "tensorrt": {"version": "8.2.1.8"},
            "gpu": {"version": "NVIDIA Tegra X1 sm_53"},
            "runtimes": {"version": "onnxruntime"},
            "settings": {"web": True, "host": "127.0.0.1", "port": 8088, "source": "csi"},
        }
        for name, answer in answers.items():
            self.answers(name, answer)
        for name, package in facts["lacking"].items():
            (self.board / "needs" / name).write_text(package)
        for element in ("rtspsrc", "h264parse", "avdec_h264", "nvv4l2decoder", "nvvidconv", "nvarguscamerasrc"):
            (self.board / "elements" / element).write_text("")

    def _make_commands(self, monkeypatch):
        self.bin.mkdir()
        script = SCRIPT.replace("@BOARD@", str(self.board)).replace("@ROOT@", str(self.root))
        first = self.bin / COMMANDS[0]
        first.write_text(script)
        first.chmod(0o755)
        for name in COMMANDS[1:]:
            (self.bin / name).symlink_to(first)
        python = self.bin / "board-python"
        python.write_text(PYTHON.replace("@BOARD@", str(self.board)))
        python.chmod(0o755)
        monkeypatch.setenv("KFACE_PYTHON", str(python))
        monkeypatch.setenv("PATH", "{}{}{}".format(self.bin, os.pathsep, os.environ["PATH"]))
        (self.board / "log").write_text("")

    def answers(self, name, answer):
        """Let a probe give an answer."""
        (self.board / "probe" / name).write_text(json.dumps(answer))

    def fails(self, command, text="it is broken"):
        """Let a command fail."""
        (self.board / "fail" / command).write_text(text + "\n")

    def mends(self, command):
        """Let it work again."""
        (self.board / "fail" / command).unlink()

    def set(self, name, text="1"):
        """Write one of the board's switches."""
        (self.board / name).write_text(text)

    def put(self, name, text):
        path = self.at(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))

    def at(self, name):
        return self.root / name.lstrip("/")

    def read(self, name):
        return self.at(name).read_text(encoding="utf-8")

    @property
    def log(self):
        return (self.board / "log").read_text().splitlines()

    def called(self, start):
        return [line for line in self.log if line.startswith(start)]

    @property
    def current(self):
        link = self.at("/opt/kface/current")
        return os.readlink(str(link)) if link.is_symlink() else None

    @property
    def running(self):
        """The release that the service was started with; None where it does not run."""
        active = self.board / "active"
        return active.read_text().strip() if active.exists() else None

    def tree(self):
        """Everything that is there: content, mode and target by name."""
        made = {}
        for folder, folders, names in os.walk(str(self.root)):
            for name in folders + names:
                path = os.path.join(folder, name)
                kind = os.lstat(path).st_mode
                content = os.readlink(path) if os.path.islink(path) else None
                if os.path.isfile(path) and content is None:
                    with open(path, "rb") as stream:
                        content = stream.read()
                made[path] = (kind, content)
        return made


def make_archive(folder, version="0.1.0", settings="source: csi://0\n", **files):
    """Unpack a small archive: all that the installer looks at, with the real unit and scripts."""
    shutil.rmtree(str(folder), ignore_errors=True)
    (folder / "src" / "kface").mkdir(parents=True)
    (folder / "bundle").mkdir()
    (folder / "src" / "kface" / "__init__.py").write_text('"""kface."""\n\n__version__ = "{}"\n'.format(version))
    (folder / "bundle" / "manifest.json").write_text("{}\n")
    (folder / "deploy.yaml").write_text(settings)
    for name in TOP:
        shutil.copyfile(str(FILES / name), str(folder / name))
        (folder / name).chmod(0o755 if name in EXECUTABLE else 0o644)
    for name, text in files.items():
        (folder / "src" / "kface" / (name + ".py")).write_text(text)
    return seal(folder)


def seal(folder):
    """Write an archive's hashes."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != SUMS]
    sums = {name: sha256_file(folder / name) for name in names}
    (folder / SUMS).write_text(sums_text(sums))
    return folder
