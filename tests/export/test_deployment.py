"""The settings written into a bundle equal the defaults of every front end."""

import inspect

import yaml

from export.deployment import deploy_settings
from kface.commands.conf import configuration_directory
from kface.data.dataset import DatasetSettings
from kface.data.testsets import faces
from kface.mtcnn import Detector
from kface.mtcnn.settings import BRIGHTEN
from kface.recognizer import read_settings
from kface.recognizer.recognizer import MIN_FACE
from kface.recognizer.settings import SECTIONS


def test_the_detector_of_a_bundles_settings(tmp_path):
    path = tmp_path / "deploy.yaml"
    path.write_text(deploy_settings("net", None), encoding="utf-8")
    assert read_settings(path) == {
        "detector": {
            "min_face": MIN_FACE,
            "thresholds": [0.6, 0.7, 0.8],
            "factor": 0.709,
            "brighten": BRIGHTEN,
        },
        "runtime": "auto",
        "precision": "fp32",
    }


def test_the_detector_is_the_same_at_every_door():
    own = {name: parameter.default for name, parameter in inspect.signature(Detector).parameters.items()}
    defaults = SECTIONS["detector"]
    places = configuration_directory()
    deploy = yaml.safe_load((places / "deploy.yaml").read_text(encoding="utf-8"))["detector"]
    data = yaml.safe_load((places / "detector" / "mtcnn.yaml").read_text(encoding="utf-8"))
    made = DatasetSettings()
    assert {key: tuple(value) if isinstance(value, list) else value for key, value in deploy.items()} == defaults
    assert own["thresholds"] == defaults["thresholds"] == made.thresholds == tuple(data["thresholds"])
    assert own["factor"] == defaults["factor"] == made.factor == data["factor"]
    assert made.min_face == tuple(data["min_face"])
    assert defaults["min_face"] == faces.MIN_FACES[0]
    assert MIN_FACE in made.min_face
