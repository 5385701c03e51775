"""The report: written, read, refused, printed, and drawn by the notebook."""

import io
import json
import mmap
import sys
from contextlib import redirect_stdout
from pathlib import Path

import bench_fakes as fakes
import pytest

from deploy.bench import machine, paper, printing, report
from kface.errors import KFaceError, ModelError
from kface.text import columns

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def outputs(tmp_path):
    for day in ("2026-01-02", "2026-01-10"):
        report.write(tmp_path / day / report.FILE, dict(fakes.document(), made=day))
    return tmp_path


def test_the_newest_report_is_read(outputs):
    found = report.newest(outputs)
    assert found["made"] == "2026-01-10"
    assert found["schema"] == report.SCHEMA
    assert report.default_path(outputs).name == "realtime-bench.json"


def test_rows(outputs):
    made = report.newest(outputs)
    assert len(report.rows(made, "unpaced", size=[640, 360], tracks=True)) == len(paper.COUNTS)
    assert report.row(made, "table9", batch=3, precision="int8")["cosine"] == 0.55
    assert report.row(made, "table9", batch=99) is None
    assert report.rows(made, "obvious") == []


def test_what_is_no_report_is_refused(tmp_path):
    with pytest.raises(KFaceError, match="holds no report of the realtime bench; run: kface bench"):
        report.newest(tmp_path)
    path = tmp_path / "2026-01-01" / report.FILE
    path.parent.mkdir()
    whole = fakes.document()
    lacking = {key: value for key, value in whole.items() if key != "paced"}
    for content, message in (
        ("{", "damaged: not JSON"),
        ("[]", "is not a report"),
        (json.dumps(dict(whole, kind="other")), "is not a report"),
        (json.dumps(dict(whole, schema=99)), "schema version 99 instead of 1"),
        (json.dumps(lacking), "it lacks paced"),
    ):
        path.write_text(content)
        with pytest.raises(ModelError, match=message):
            report.newest(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        report.read(tmp_path / "absent.json")


def test_a_part_cannot_be_forgotten_and_a_full_disk_is_one_line(tmp_path):
    whole = fakes.document()
    del whole["table8"]
    with pytest.raises(ValueError, match="table8"):
        report.write(tmp_path / "x.json", whole)
    (tmp_path / "file").write_text("")
    with pytest.raises(KFaceError, match="cannot be written"):
        report.write(tmp_path / "file" / "x.json", fakes.document())


def test_everything_is_printed_and_the_papers_figures_are_named_as_the_papers():
    text = printing.text(fakes.document())
    lines = text.splitlines()
    for published in ("340 - 360", "60 - 70", "1300 - 1400", "117 - 120", "90 - 100", "9 - 20"):
        assert [line for line in lines if published in line and line.endswith("the paper (Chang & Park)")], published
    assert [
        line for line in lines if line.startswith("640x360   20 px") and " 12.5 " in line and "synthetic sample" in line
    ]
    assert "load average at the start 0.50 0.40 0.30, at the end unknown" in text
    assert "note: table 8: tensorrt: left out (no GPU)" in text
    assert "0.5500 (not the same network)" in text
    assert "310 MB at most" in text
    assert "GPU: not known" in text
    # 40 of 90 frames a second are left.
    assert next(line.split() for line in lines if line.startswith("as fast as possible  640x360   on"))[-3:] == [
        "0.44",
        "0.75",
        "NO",
    ]
    part = text[text.index("ESTIMATE, NOT MEASURED") :]
    assert part.count("estimate, not measured") >= 3
    assert "fps" in part
    assert all(line.rstrip() == line for line in lines)


def test_parts_that_there_are_not_say_why():
    made = fakes.document()
    made["estimate"] = {"reason": "this is a board"}
    made["memory"] = {"reason": "no process could be started", "bench_peak_mb": None}
    text = printing.text(made)
    assert "Jetson Nano: no estimate (this is a board)" in text
    assert "Memory: not measured (no process could be started)" in text
    assert "obvious" not in text


def test_the_obvious_way_is_printed_where_it_was_measured():
    made = fakes.document()
    ways = {"obvious way": fakes.figure(2.0), "kface": fakes.figure(50.0)}
    made["obvious"] = {
        "base": "obvious way",
        "what": "mtcnn and a loop",
        "rows": [
            {"size": [640, 360], "faces": 6, "found": 6, "fps": ways, "ratios": {"obvious way": 1, "kface": 25.0}}
        ],
    }
    text = printing.text(made)
    assert "mtcnn and a loop" in text
    assert [line.split() for line in text.splitlines() if line.startswith("640x360  6")] == [
        ["640x360", "6", "6", "2.0", "50.0", "25.0"]
    ]


def test_columns():
    assert columns([("a", "bb"), ("ccc", "d")]) == ["a    bb", "-------", "ccc  d"]


def test_the_machine():
    about = machine.describe()
    assert about["cpu"]
    assert about["cores"] >= 1
    assert about["runtimes"]["opencv"][0].isdigit()
    assert machine.version("a_package_that_is_not_loaded") == "not used"
    load = machine.load()
    assert load is None or len(load) == 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_memory_is_the_processes():
    import resource

    before = machine.resident_mb()
    # Pages of its own: what an allocator hands out may have been touched before.
    held = mmap.mmap(-1, 64 << 20)
    held.write(b"x" * (64 << 20))
    after, peak = machine.resident_mb(), machine.peak_mb()
    # The kernel's counters lag by a few pages.
    assert before + 50 < after < peak + 2
    held.close()
    assert machine.peak_mb() > before + 50
    assert machine.resident_mb() < after - 50
    assert machine.peak_mb() == pytest.approx(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0, rel=0.05)


def test_memory_of_a_gpu(tmp_path):
    import os

    script = "print('1, 5'); print('{}, 120'); print('{}, 30')".format(os.getpid(), os.getpid())
    assert machine.gpu_mb([sys.executable, "-c", script]) == 150
    assert machine.gpu_mb([sys.executable, "-c", "print('1, 5')"]) == 0
    assert machine.gpu_mb([sys.executable, "-c", "print('{}, [N/A]')".format(os.getpid())]) is None
    assert machine.gpu_mb([sys.executable, "-c", "raise SystemExit(9)"]) is None
    assert machine.gpu_mb([str(tmp_path / "absent")]) is None


def run_notebook():
    cells = json.loads((ROOT / "notebooks" / "realtime.ipynb").read_text(encoding="utf-8"))["cells"]
    names, out = {}, io.StringIO()
    with redirect_stdout(out):
        for cell in cells:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == []
                assert cell["execution_count"] is None
                exec("".join(cell["source"]), names)
    return names, out.getvalue()


@pytest.fixture
def drawing():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_the_notebook_draws_the_newest_report(outputs, drawing, monkeypatch):
    monkeypatch.chdir(outputs)
    monkeypatch.setenv("KFACE_OUTPUTS", str(outputs))
    names, text = run_notebook()
    assert names["bench"]["made"] == "2026-01-10"
    assert "Table 8: MTCNN" in text
    table8 = names["table8"].axes
    assert [axes.get_title() for axes in table8] == [
        "MTCNN, {}, 1 face (synthetic sample)".format(size) for size in ("640x360", "1280x720")
    ]
    labels = [label.get_text() for label in table8[0].get_yticklabels()]
    assert labels == ["opencv, smallest face 20 px", "Nano, OpenCV 4.1 DNN", "Nano, TensorRT"]
    assert "opencv int8 (not the same network)" in [t.get_text() for t in names["table9"].axes[0].get_yticklabels()]
    assert names["streams"].axes[-1].get_title() == "Jetson Nano: estimate, not measured"
    drawn = names["streams"].axes[0].lines[0]
    assert list(drawn.get_ydata()) == [100.0, 90.0, 70.0, 40.0]
    assert len(names["latency"].axes) == 2
    for figure in ("table8", "table9", "streams", "latency"):
        names[figure].savefig(io.BytesIO(), dpi=40)


def test_the_notebook_says_so_where_no_bench_was_run(tmp_path, drawing, monkeypatch):
    monkeypatch.setenv("KFACE_OUTPUTS", str(tmp_path))
    names, text = run_notebook()
    assert names["bench"] is None
    assert "holds no report of the realtime bench; run: kface bench" in text
