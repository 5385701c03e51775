"""The library is built, and its own tests run, with a small bundle."""

import os
import re
import subprocess

import pytest

# The first test builds the library.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_its_own_tests_pass(build_folder, small_bundle):
    subprocess.run(["cmake", f"-DKFACE_BUNDLE={small_bundle}", str(build_folder)], check=True, capture_output=True)
    done = subprocess.run(
        ["ctest", "--output-on-failure"], cwd=build_folder, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stdout[-6000:]
    passed = int(re.search(r"100% tests passed, 0 tests failed out of (\d+)", done.stdout).group(1))
    assert passed >= 4
    assert "Skipped" not in done.stdout


def test_the_fvc_programs_enrol_match_and_replay(build_folder, small_bundle, tmp_path, frames):
    from kface.images import encode_png

    (tmp_path / "얼굴 1.png").write_bytes(encode_png(frames[0]))
    (tmp_path / "b.png").write_bytes(encode_png(frames[1]))

    def run(program, *arguments, status=0):
        done = subprocess.run(
            [str(build_folder / "tools" / program), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=dict(os.environ, KFACE_BUNDLE=str(small_bundle)),
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    run("enroll", "얼굴 1.png", "a.template")
    assert float(run("match", "얼굴 1.png", "a.template")) == pytest.approx(1)
    assert -1 < float(run("match", "b.png", "a.template")) < 1
    assert (tmp_path / "a.template").stat().st_size == 64 + 4 * 147
    assert (tmp_path / "enroll.log").read_text(encoding="utf-8") == "얼굴 1.png\ta.template\tOK\t0\n"
    assert run("replay", str(small_bundle), "enroll.log", "match.log").endswith("3 replayed by 0.1.0, 0 differ\n")
    run("match", "b.png", "no.template", status=2)
