"""Completion: what is offered at a TAB, and a real bash that takes it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kface
from kface.commands import main, table
from kface.commands.completion import answer

SOURCES = Path(kface.__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def workstation(monkeypatch):
    monkeypatch.setattr(table, "on_board", lambda: False)


def offered(*words):
    """Return the candidates for the last word, and whether files complete."""
    first, *lines = answer(list(words)).splitlines()
    return [line.split("\t")[0] for line in lines], first == "files"


@pytest.mark.parametrize(
    ("words", "candidates", "files"),
    [
        (["t"], ["train", "table5"], False),
        (["train", "loss=a"], ["loss=adaface", "loss=arcface"], False),
        (["train", "backbone=m"], ["backbone=mobilenetv2"], False),
        (["train", "lo"], ["loss=", "logger=", "loss.", "logger."], False),
        (["train", "fit.e"], ["fit.epochs="], False),
        (["train", "evaluate.mirror="], ["evaluate.mirror=true", "evaluate.mirror=false"], False),
        (["train", "corpus.root="], [], True),
        (["train", "--config", ""], [], True),
        (["train", "--c"], ["--config", "--cfg"], False),
        (["sample", "lo"], [], False),
        (["dataset", "loss="], [], False),
        (["deploy", "precision=f"], ["precision=fp32", "precision=fp16"], False),
        (["deploy", "outputs.video="], [], True),
        (["deploy", "stream.address="], [], False),
        (["deploy", "loop=true", "--s"], ["--show"], False),
        (["run", "stream=c"], ["stream=csi"], False),
        (["gallery", "me"], ["merge"], False),
        (["gallery", "add", "--k"], ["--key-file", "--keyring", "--keep-crops"], False),
        (["gallery", "add", "Kim", ""], [], True),
        (["gallery", "add", "--runtime", "op"], ["openvino", "opencv"], False),
        (["gallery", "add", "--size", ""], [], False),
        (["enrol", "--token-file", ""], [], True),
        (["completion", ""], ["bash", "fish", "zsh"], False),
        (["help", "enr"], ["enrol"], False),
        (["no-such-command", ""], [], False),
    ],
)
def test_what_is_offered(words, candidates, files):
    assert offered(*words) == (candidates, files)


def test_choices_of_one_s_own_are_offered(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# Mine.\nx: 1\n")
    assert "experiment=mine" in offered("train", "--config", str(tmp_path), "experiment=")[0]


def test_a_missing_package_is_silent(monkeypatch):
    def load(command):
        raise ImportError("no numpy")

    monkeypatch.setattr(table, "load", load)
    assert offered("gallery", "") == ([], False)


def test_a_tab_imports_no_tensorflow():
    code = (
        "import sys; from kface.commands.completion import answer\n"
        "for words in (['train', 'x'], ['deploy', 'x'], ['gallery', 'add', '--'], ['export', '']): answer(words)\n"
        "print(sorted({'tensorflow', 'keras', 'hydra'} & set(sys.modules)))"
    )
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([str(SOURCES)] + [path for path in sys.path if path]))
    assert subprocess.check_output([sys.executable, "-c", code], env=env) == b"[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "__complete" in script
    program = shutil.which(shell)
    if program:
        done = subprocess.Popen([program, "-n"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        assert (done.communicate(script.encode("utf-8"))[1], done.returncode) == (b"", 0)


@pytest.fixture
def bash(tmp_path):
    """Return a function that types a line into an interactive bash, TAB at its end, and returns the words that it then runs."""
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    pty = pytest.importorskip("pty")
    python_path = os.pathsep.join([str(SOURCES)] + [path for path in sys.path if path])
    # It completes as kface does, and then shows its words instead of running the command.
    (tmp_path / "kface").write_text(
        "#!/bin/bash\n"
        'if [[ $1 != __complete && $1 != completion ]]; then printf "<%s>" "$@"; echo; exit; fi\n'
        'PYTHONPATH={} exec {} -m kface "$@"\n'.format(python_path, sys.executable)
    )
    (tmp_path / "kface").chmod(0o755)
    (tmp_path / "rc").write_text(
        "bind 'set bell-style none' 2>/dev/null\nbind 'set enable-bracketed-paste off' 2>/dev/null\n"
        'PS1="$ "\nPATH={}:$PATH\neval "$(kface completion bash)"\n'.format(tmp_path)
    )
    (tmp_path / "here").mkdir()

    def typed(line):
        master, slave = pty.openpty()
        shell = subprocess.Popen(
            ["bash", "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i"],
            stdin=slave, stdout=slave, stderr=slave, cwd=str(tmp_path / "here"),
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb", "LANG": "C.UTF-8"}, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        os.write(master, "kface {}\t\nexit\n".format(line).encode("utf-8"))
        seen = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
        shell.wait(60)
        os.close(master)
        shown = [part for part in seen.decode("utf-8", "replace").splitlines() if part.startswith("<")]
        assert shown, seen
        return shown[0]

    return typed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tra", "<train>"),
        ("train backbone=m", "<train><backbone=mobilenetv2>"),
        ("train loss=cosface fit.ep", "<train><loss=cosface><fit.epochs=>"),
        ("train callbacks.prog", "<train><callbacks.progress.>"),
        ("train data_dir=dat", "<train><data_dir=data/>"),
        ("deploy source=a\\ ", "<deploy><source=a clip (1).mp4>"),
        ("deploy source=a\\ cl", "<deploy><source=a clip (1).mp4>"),
        ("deploy source=클", "<deploy><source=클립.mp4>"),
        ("gallery add Kim ph", "<gallery><add><Kim><photo.jpg>"),
        ("gallery match --fm", "<gallery><match><--fmr>"),
        ("deploy source=v4l2:///de", "<deploy><source=v4l2:///de>"),
    ],
)
def test_a_real_bash(bash, tmp_path, line, words):
    (tmp_path / "here" / "data").mkdir()
    (tmp_path / "here" / "photo.jpg").write_text("")
    (tmp_path / "here" / "a clip (1).mp4").write_text("")
    (tmp_path / "here" / "클립.mp4").write_text("")
    assert bash(line) == words
