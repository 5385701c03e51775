"""Which board it is, and what is said about it."""

import signal

import pytest
from jetson_fakes import FILES, GPU

from deploy.jetson import checks
from deploy.jetson.board import jetpack_of, read_board
from deploy.jetson.checks import ADVICE, MISSING, OK, check, probe


@pytest.mark.parametrize(
    ("release", "package", "jetpack"),
    [
        ((32, 6, 1), None, "4.6"),
        ((32, 7, 1), None, "4.6.1"),
        ((32, 7, 4), None, "4.6.1"),
        ((32, 7, 4), "4.6.4-b39", "4.6.4"),
        ((34, 1), None, "5.0"),
        ((35, 1), None, "5.0.2"),
        ((35, 6, 1), None, "5.1.4"),
        ((36, 3), None, "6.0"),
        ((36, 4), None, "6.1"),
        ((36, 4, 3), None, "6.2"),
        ((36, 4, 7), None, "6.2"),
        ((38, 2, 0), None, "7.0"),
        ((32, 4, 2), None, None),
        ((37, 1), None, None),
        ((40, 0), None, None),
        (None, "4.6.1-b110", None),
    ],
)
def test_jetpack_by_the_release(release, package, jetpack):
    assert jetpack_of(release, package) == jetpack


def test_a_board_is_read_without_being_changed(board, system):
    before = board.tree()
    found = read_board(system(board))
    assert found.model == "NVIDIA Jetson Nano Developer Kit"
    assert (found.l4t, found.jetpack, found.major) == ((32, 7, 1), "4.6.1", "4")
    # Compressed memory is no swap.
    assert (found.memory, found.swap) == (3964, 0)
    assert board.tree() == before


def test_devices_are_those_of_patterns_and_of_nvidias_list(board, system):
    # Directories are no devices, and a path may not climb out of /dev.
    board.at("/dev/dri/by-path").mkdir()
    assert read_board(system(board)).nodes == (
        "/dev/dri/renderD128",
        "/dev/nvhost-ctrl",
        "/dev/nvhost-gpu",
        "/dev/nvmap",
        "/dev/nvsciipc",
        "/dev/odd-one",
        "/dev/video0",
    )


def test_without_its_file_the_package_tells_the_release(board, system):
    board.at("/etc/nv_tegra_release").unlink()
    assert read_board(system(board)).l4t == (32, 7, 1)
    board.set("packages", "nvidia-l4t-core 35.4.1-20230801124926 deinstalled\n")
    found = read_board(system(board))
    assert (found.is_jetson, found.model, found.jetpack) == (False, "a PC or an unknown board", None)
    board.fails("dpkg-query")
    assert not read_board(system(board)).is_jetson


def findings(board, system):
    opened = system(board)
    return {finding.name: finding for finding in check(opened, read_board(opened), str(FILES))}


def test_a_nano_and_what_it_lacks(board, system):
    found = findings(board, system)
    assert {name for name, finding in found.items() if finding.state == MISSING} == {"yaml", "cryptography"}
    assert found["yaml"].packages == ("python3-yaml",)
    assert found["runtimes"].state == ADVICE  # TensorRT does the work there.
    assert found["runtimes"].wheels == ("onnxruntime==1.10.0", "numpy==1.19.5")
    assert found["gpu"].text == "NVIDIA Tegra X1 sm_53"
    assert str(found["yaml"]) == "    MISSING  yaml          No module named 'yaml'; apt: python3-yaml"


def test_without_a_gpu_to_build_for_another_runtime_is_needed(make_board, system):
    found = findings(make_board("pc"), system)
    assert found["runtimes"].state == MISSING
    # apt's packages there were built for NumPy 1.
    assert found["runtimes"].wheels == ("onnxruntime", "numpy<2")
    assert found["runtimes"].packages == ("python3-pip",)
    assert "tensorrt" not in found
    assert "power" not in found


def test_an_opencv_without_gstreamer(board, system):
    board.answers("cv2", {"version": "4.5.5", "gstreamer": False, "path": "/usr/local/lib/python3.6/dist-packages/cv2"})
    found = findings(board, system)["opencv"]
    assert (found.state, found.packages) == (ADVICE, ())
    assert "hides the system's" in found.remedy
    board.answers("cv2", {"version": "3.2.0", "gstreamer": False, "path": "/usr/lib/python3/dist-packages"})
    assert findings(board, system)["opencv"].packages == ("libopencv-python",)


def test_elements_of_gstreamer(board, system):
    (board.board / "elements" / "h264parse").unlink()
    (board.board / "elements" / "nvarguscamerasrc").unlink()
    opened = system(board)
    found = [one for one in check(opened, read_board(opened), str(FILES)) if one.name == "gstreamer"]
    assert [(one.state, one.packages) for one in found] == [
        (ADVICE, ("gstreamer1.0-plugins-bad",)),
        (ADVICE, ("nvidia-l4t-gstreamer",)),
    ]


def test_without_gstreamers_tools_they_come_first(make_board, system, monkeypatch):
    board = make_board("pc")
    (board.bin / "gst-inspect-1.0").unlink()
    monkeypatch.setenv("PATH", "{}:/bin".format(board.bin))
    opened = system(board)
    if opened.ask(["gst-inspect-1.0", "--version"]).status != 127:
        pytest.skip("this machine has gst-inspect-1.0 in /bin")
    found = findings(board, system)["gstreamer"]
    assert "gstreamer1.0-tools" in found.packages
    assert "nvidia-l4t-gstreamer" not in found.packages


def test_a_library_that_ends_its_process(board, system):
    (board.board / "signal" / "numpy").write_text(str(int(signal.SIGILL)))
    found = findings(board, system)["numpy"]
    assert (found.state, found.text) == (MISSING, "crashes with an illegal instruction")
    assert "OPENBLAS_CORETYPE=ARMV8" in found.remedy
    (board.board / "signal" / "numpy").write_text(str(int(signal.SIGKILL)))
    assert findings(board, system)["numpy"].text == "is killed by signal 9"


def test_a_probe_that_talks_nonsense(board, system):
    opened = system(board)
    (board.board / "probe" / "yaml").write_text("Segmentation\n")
    board.board.joinpath("needs", "yaml").unlink()
    assert probe(opened, "x", "yaml") == {"error": "no output (status 0)"}
    (board.board / "probe" / "yaml").write_text('a warning\n{"version": "5"}\n')
    assert probe(opened, "x", "yaml") == {"version": "5"}


def test_little_memory_wants_swap(board, system):
    assert "add 4 GB of swap" in findings(board, system)["memory"].remedy
    board.put(
        "/proc/swaps", "Filename Type Size Used Priority\n/swapfile file 4194300 0 -2\n/dev/zram0 partition 9 0 5\n"
    )
    found = findings(board, system)["memory"]
    assert (found.state, found.text) == (OK, "3964 MiB, 4095 MiB swap on disk")


def test_little_room_on_the_disk(board, system, monkeypatch):
    monkeypatch.setattr(checks, "DISK", 1 << 40)
    assert findings(board, system)["disk"].state == MISSING


@pytest.mark.parametrize(
    ("told", "modes", "state", "text"),
    [
        ("NV Power Mode: 5W\n1\n", None, ADVICE, "sudo nvpmodel -m 0 selects MAXN"),
        ("NV Power Mode: MAXN\n0\n", None, OK, "mode MAXN (0)"),
        ("NV Fan Mode:quiet\nNV Power Mode: MODE_15W_6CORE\n2\n", None, ADVICE, "MODE_15W_6CORE (2)"),
        # An Orin Nano's mode 0 is not its largest.
        ("NV Power Mode: 15W\n0\n", "15W 25W MAXN_SUPER", ADVICE, "sudo nvpmodel -m 2 selects MAXN_SUPER"),
        ("NV Power Mode: 15W\n1\n", "MAXN 15W MAXN_SUPER", ADVICE, "sudo nvpmodel -m 2 selects MAXN_SUPER"),
        ("NV Power Mode: 7W\n1\n", "15W 7W", OK, "mode 7W (1)"),
        ("permission denied\n", None, ADVICE, "reports no mode"),
    ],
)
def test_power_modes(told, modes, state, text, board, system):
    board.set("nvpmodel", told)
    if modes is not None:
        rows = ["< POWER_MODEL ID={} NAME={} >\n".format(*row) for row in enumerate(modes.split())]
        board.put("/etc/nvpmodel.conf", "".join(rows))
    found = findings(board, system)["power"]
    assert found.state == state
    assert text in str(found)


def test_clocks_and_fan(board, system):
    found = findings(board, system)
    assert (found["clocks"].state, found["clocks"].remedy) == (ADVICE, "sudo jetson_clocks")
    assert found["fan"].text == "not spinning"
    board.put(GPU + "/min_freq", "921600000\n")
    board.put("/sys/devices/pwm-fan/target_pwm", "255\n")
    found = findings(board, system)
    assert found["clocks"].state == OK
    assert found["fan"].text == "turns"
    board.at("/sys/devices/pwm-fan/target_pwm").unlink()
    assert findings(board, system)["fan"].state == ADVICE
