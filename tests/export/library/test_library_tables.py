"""What the library's sources say twice, or say after Python: no compiler is needed."""

import json
import re
from pathlib import Path

import pytest

from kface import alignment
from kface.bundle import golden, manifest
from kface.library import binding, values
from kface.mtcnn import brighten, detector, runtime_stages, settings, weights
from kface.networks import allowed
from kface.recognizer.settings import SECTIONS

LIBRARY = Path(__file__).resolve().parents[3] / "src" / "export" / "library"
HEADER = (LIBRARY / "include" / "kface.h").read_text()


def source(name):
    return (LIBRARY / "src" / name).read_text()


def literals(name, text):
    """The words of a C string that is written on several lines."""
    found = re.search(rf"{name} =\n(.*?);", text, re.DOTALL)
    return "".join(re.findall(r'"([^"]*)"', found.group(1))).split()


@pytest.mark.parametrize(
    ("name", "known"), [("ONNX", allowed.ONNX), ("TENSORFLOW", allowed.TENSORFLOW)], ids=["onnx", "tensorflow"]
)
def test_the_same_operations_are_allowed(name, known):
    listed = literals(r"const char \*const " + name, source("network_check.cpp"))
    assert len(listed) == len(set(listed))
    assert set(listed) == known


def test_the_detector_has_the_same_settings():
    defaults = SECTIONS["detector"]
    text = source("settings.hpp")
    assert float(re.search(r"min_face = ([\d.]+)", text).group(1)) == defaults["min_face"]
    assert float(re.search(r"factor = ([\d.]+)", text).group(1)) == defaults["factor"]
    assert tuple(map(float, re.findall(r"thresholds\{\{(.*?)\}\}", text)[0].split(","))) == defaults["thresholds"]
    assert tuple(re.findall(r"Brighten::(\w+)", text)) == tuple(defaults["brighten"])
    assert set(re.search(r"enum class Brighten \{ (.*?) \}", text).group(1).split(", ")) == set(brighten.WAYS)
    cascade = source("cascade.cpp")
    nms = re.search(r"NMS\[4\] = \{(.*?)\}", cascade).group(1)
    assert tuple(map(float, nms.split(","))) == (
        detector.NMS_WITHIN_LEVEL,
        detector.NMS_BETWEEN_LEVELS,
        detector.NMS_RNET,
        detector.NMS_ONET,
    )
    assert re.search(r"RNET_BATCH = (\d+), ONET_BATCH = (\d+)", cascade).groups() == tuple(
        str(runtime_stages.BATCHES[name]) for name in ("rnet", "onet")
    )
    assert "STRIP_PIXELS = 3 << 14" in cascade
    assert runtime_stages.STRIP_PIXELS == 3 << 14
    assert f"value >= {settings.MIN_FACE_RANGE[0]:g} && value <= {settings.MIN_FACE_RANGE[1]:g}" in source(
        "settings.cpp"
    )


def test_bundles_have_the_same_versions_and_points():
    assert f"SCHEMA = {manifest.SCHEMA};" in source("manifest.cpp")
    assert f"DETECTOR_SCHEMA = {weights.SCHEMA};" in source("bundle.cpp")
    points = re.findall(r"\{([\d.]+), ([\d.]+)\}", source("manifest.cpp"))
    assert [tuple(map(float, point)) for point in points] == [tuple(point) for point in manifest.POINTS]
    assert f"KFACE_CROP_SIDE {alignment.SIZE}\n" in HEADER


def test_golden_vectors_have_the_same_limits():
    text = source("golden.cpp")
    assert f"SCHEMA = {golden.SCHEMA};" in text
    assert f"LARGEST = {golden.LARGEST >> 20}U << 20;" in text
    assert f"MOST_CROPS = {golden.MOST}, LONGEST_SIDE = {golden.LONGEST_SIDE};" in text
    assert f"MOST_PICTURES = {golden.MOST_PICTURES};" in text
    for path in (golden.VECTORS, golden.EMBEDDINGS_ONLY, golden.CROPS, golden.PICTURE.split("{")[0]):
        assert f'"{path}"' in text


def test_exports_and_wrapper_are_those_of_the_header():
    declared = set(re.findall(r"KFACE_CALL (kface_\w+)\(", HEADER))
    assert len(declared) == 20
    assert set(re.findall(r"(kface_\w+);", (LIBRARY / "cmake" / "exports.map").read_text())) == declared
    assert set(binding._FUNCTIONS) <= declared
    assert f"KFACE_ABI_VERSION {binding.ABI}\n" in HEADER
    assert f"KFACE_FAILED_SIMILARITY ({values.FAILED_SIMILARITY:.1f})" in HEADER
    for name in declared - {"kface_version"}:
        assert re.search(rf"\b{name}\b", (LIBRARY / "null" / "kface_null.cpp").read_text() + source("abi_match.cpp"))


def test_every_function_is_described():
    for name in re.findall(r"KFACE_CALL (kface_\w+)\(", HEADER):
        before = HEADER[: HEADER.index(f"KFACE_CALL {name}(")].rstrip()
        before = before[: before.rindex("KFACE_API")].rstrip()
        assert before.endswith("*/"), name


def test_the_laboratory_s_names_are_the_same_in_all_files():
    folder = LIBRARY / "adapter"
    defined = set(re.findall(r"^KISA_API .*?\b(KISA_\w+)\(", (folder / "kisa.cpp").read_text(), re.MULTILINE))
    assert defined
    assert set(re.findall(r"^    (KISA_\w+)$", (folder / "kisa.def").read_text(), re.MULTILINE)) == defined
    assert set(re.findall(r"(KISA_\w+);", (folder / "kisa.map").read_text())) == defined


def test_presets_are_complete():
    presets = json.loads((LIBRARY / "CMakePresets.json").read_text())
    names = [preset["name"] for preset in presets["configurePresets"] if not preset.get("hidden")]
    assert names == ["linux", "asan", "fuzz", "mingw", "msvc"]
    assert {preset["configurePreset"] for preset in presets["buildPresets"]} == set(names)
    for preset in presets["configurePresets"]:
        # Nothing is built in the source tree.
        assert preset.get("binaryDir", "").startswith("${sourceDir}/../../../build/") or "inherits" in preset


def test_the_library_has_the_project_s_version():
    project = (LIBRARY.parents[2] / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.*?)"', project, re.MULTILINE).group(1)
    assert f"project(kface VERSION {version} " in (LIBRARY / "CMakeLists.txt").read_text()
