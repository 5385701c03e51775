"""install.sh as root in a real Debian, made by debootstrap: what scripts in place of commands cannot show.

Its packages come from where this machine's come from; without debootstrap, root's rights or a network it is skipped.
"""

import glob
import os
import re
import shutil
import stat
import subprocess
import tarfile

import pytest

pytest.importorskip("yaml")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("debootstrap") is None, reason="debootstrap is not installed"),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="a chroot takes root's rights"),
]
PATH = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def mirror():
    """The first address that this machine's apt has."""
    for name in sorted(glob.glob("/etc/apt/sources.list.d/*.sources") + ["/etc/apt/sources.list"]):
        if os.path.isfile(name):
            with open(name) as stream:
                found = re.search(r"^(?:URIs:|deb(?: \[.*?\])?)\s+(https?://\S+)", stream.read(), re.MULTILINE)
            if found:
                return found.group(1)
    pytest.skip("apt has no mirror here")


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    root = tmp_path_factory.mktemp("debian") / "root"
    with open("/etc/os-release") as stream:
        release = re.search(r"^VERSION_CODENAME=(\w+)$", stream.read(), re.MULTILINE)
    address = mirror()
    argv = [
        "debootstrap",
        "--variant=minbase",
        "--include=python3,ca-certificates",
        release.group(1),
        str(root),
        address,
    ]
    made = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode != 0:
        pytest.skip("debootstrap fails: {}".format(made.stdout.decode("utf-8", "replace").splitlines()[-1]))
    shutil.copyfile("/etc/resolv.conf", str(root / "etc" / "resolv.conf"))
    # A company's own certificate is needed in there as well.
    for name in glob.glob("/etc/ssl/certs/ca-certificates.crt"):
        shutil.copyfile(name, str(root / "etc" / "ssl" / "certs" / "of-the-host.crt"))
    return root


def within(root, *argv):
    env = ["env", "-i", PATH, "HOME=/root", "PIP_CERT=/etc/ssl/certs/of-the-host.crt"]
    made = subprocess.run(["chroot", str(root)] + env + list(argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return made.returncode, made.stdout.decode("utf-8", "replace")


def test_a_whole_life(debian, tmp_path):
    from deploy.configuration import resolve
    from deploy.jetson.archive import pack
    from deploy.settings import chosen_bundle

    bundle = chosen_bundle()
    if bundle is None:
        pytest.skip("no bundle was exported (kface export)")
    packed = pack(bundle, resolve(), tmp_path)
    with tarfile.open(str(packed.path)) as archive:
        archive.extractall(str(debian / "srv"))
    script = "/srv/kface-{}/install.sh".format(packed.release)

    status, said = within(debian, script, "--dry-run")
    assert status == 0, said
    assert "would run: apt-get install" in said
    assert not (debian / "opt" / "kface").exists()

    status, said = within(debian, script)
    assert status == 2
    assert "not installed; pass --yes" in said

    status, said = within(debian, script, "--yes", "--skip-bench")
    if "SSLError" in said or "Temporary failure" in said or "No matching distribution" in said:
        pytest.skip("packages cannot be fetched from inside")
    assert status == 0, said
    assert "systemd is not running" in said
    state = os.stat(str(debian / "var/lib/kface"))
    assert stat.S_IMODE(state.st_mode) == 0o700
    assert state.st_uid == os.stat(str(debian / "etc/kface/gallery.key")).st_uid != 0
    assert os.readlink(str(debian / "opt/kface/current")) == packed.release

    # From a directory full of traps: nothing of it is imported, neither by root nor by the service's user.
    (debian / "srv" / "traps").mkdir()
    for name in ("shlex", "json", "os", "sitecustomize", "encodings", "deploy", "kface", "numpy", "cv2", "compileall"):
        (debian / "srv" / "traps" / (name + ".py")).write_text("open('/srv/traps/ran', 'a').write(__name__)\n")
    (debian / "srv" / "traps").chmod(0o777)
    for words in ("kface gallery list", script + " --dry-run", "kface --help"):
        status, said = within(debian, "sh", "-c", "cd /srv/traps && PYTHONPATH=. exec " + words)
        assert "Traceback" not in said
    assert "kface COMMAND --help" in said
    assert not (debian / "srv" / "traps" / "ran").exists()

    # What others can change is not installed.
    (debian / "srv" / script.split("/")[2] / "src" / "kface").chmod(0o777)
    status, said = within(debian, script, "--yes", "--skip-bench")
    assert (status, "src/kface is writable by everyone" in said) == (2, True), said
    (debian / "srv" / script.split("/")[2] / "src" / "kface").chmod(0o755)

    # As the service's user and with its settings; somebody else may not.
    status, said = within(debian, "kface", "gallery", "list")
    assert "/var/lib/kface/gallery.db: no gallery" in said
    status, said = within(debian, "runuser", "-u", "nobody", "--", "kface", "gallery", "list")
    assert (status, "permission denied; sudo kface" in said) == (2, True)
    # The recogniser itself, on the clip of the synthetic sample.
    argv = ["kface", "run", "--config", "/etc/kface/deploy.yaml", "seconds=5", "web.enabled=false"]
    status, said = within(debian, *argv)
    assert status == 0, said
    assert re.search(r"[1-9]\d* frames in", said), said

    status, said = within(debian, script, "--yes", "--skip-bench")
    assert (status, "is already installed and complete" in said) == (0, True)
    status, said = within(debian, "/opt/kface/current/install.sh", "--uninstall", "--purge", "--yes")
    assert status == 0, said
    for name in ("opt/kface", "etc/kface", "var/lib/kface", "usr/local/bin/kface"):
        assert not os.path.lexists(str(debian / name))
