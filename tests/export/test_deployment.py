"""The settings that a bundle is deployed with are those that its reader has by default."""

from export.deployment import deploy_settings
from kface.mtcnn.settings import BRIGHTEN
from kface.recognizer import read_settings
from kface.recognizer.recognizer import MIN_FACE


def test_the_detector_of_a_bundles_settings(tmp_path):
    path = tmp_path / "deploy.yaml"
    path.write_text(deploy_settings("net", None), encoding="utf-8")
    assert read_settings(path)["detector"] == {
        "min_face": MIN_FACE,
        "thresholds": [0.6, 0.7, 0.8],
        "factor": 0.709,
        "brighten": list(BRIGHTEN),
    }
