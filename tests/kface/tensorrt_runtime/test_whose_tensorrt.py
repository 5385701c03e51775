"""`tensorrt` is NVIDIA's package, and `kface.tensorrt` this project's, whatever the path holds."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import kface
from kface.networks import runtimes

PACKAGE = Path(kface.__file__).parent / "tensorrt"
#: What NVIDIA's package has, as far as it is looked at here.
NVIDIAS = "__version__ = '10.9.8'\nBuilder = object\n"


def python(code, path, cwd):
    """Run code in a Python of its own, and return what it prints."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(str(place) for place in path))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=str(cwd),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=60,
    )
    return done.stdout.decode("utf-8").strip()


def test_an_import_of_tensorrt_means_nvidias(tmp_path):
    (tmp_path / "tensorrt").mkdir()
    (tmp_path / "tensorrt" / "__init__.py").write_text(NVIDIAS, encoding="utf-8")
    code = (
        "import kface.tensorrt.adapter, kface.tensorrt.api as api, sys\n"
        "assert 'tensorrt' not in sys.modules\n"
        "import tensorrt\n"
        "assert api.tensorrt() is tensorrt and tensorrt is not kface.tensorrt\n"
        "from kface.networks import runtimes\n"
        "print(tensorrt.__version__, runtimes()[0], kface.tensorrt.__name__)"
    )
    assert python(code, [PACKAGE.parents[1], tmp_path], PACKAGE) == "10.9.8 tensorrt kface.tensorrt"


def test_nothing_here_is_imported_by_a_name_that_is_nvidias():
    for file in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, file
                assert node.module.partition(".")[0] != "tensorrt", file
            elif isinstance(node, ast.Import):
                assert all(alias.name.partition(".")[0] != "tensorrt" for alias in node.names), file


def test_a_folder_of_that_name_is_no_runtime(tmp_path, monkeypatch):
    if "tensorrt" in runtimes():
        pytest.skip("TensorRT is installed here")
    (tmp_path / "tensorrt").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "tensorrt" not in runtimes()
    (tmp_path / "tensorrt" / "__init__.py").write_text(NVIDIAS, encoding="utf-8")
    assert "tensorrt" in runtimes()
