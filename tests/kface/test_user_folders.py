"""Whatever is kept for a user is in the folders that the user names."""

from pathlib import Path

import pytest

from deploy.web.token import default_token_file
from kface import tensorrt
from kface.gallery.keys import default_key_file
from kface.gallery.opening import default_gallery_file
from kface.gallery.witness import default_folder
from kface.mtcnn import weights
from kface.user_folders import FOLDERS, user_folder

#: What finds a place, the kind of folder that it is in, and its name there.
PLACES = {
    "engines": (tensorrt.default_directory, "cache", "engines"),
    "detector": (weights.default_directory, "cache", "mtcnn-1.0.0-{}".format(weights.SCHEMA)),
    "gallery": (default_gallery_file, "data", "gallery.db"),
    "key": (default_key_file, "config", "gallery.key"),
    "witness": (default_folder, "state", "galleries"),
    "token": (default_token_file, "state", "web-token"),
}


@pytest.fixture(autouse=True)
def nothing_else_is_named(monkeypatch):
    for name in ("KFACE_ENGINES", "KFACE_MODELS", "KFACE_GALLERY", "KFACE_WEB_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("what", sorted(PLACES))
def test_a_folder_that_the_environment_names(what, monkeypatch, tmp_path):
    find, kind, name = PLACES[what]
    monkeypatch.setenv(FOLDERS[kind][0], str(tmp_path))
    assert Path(find()) == tmp_path / "kface" / name


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("kind", sorted(FOLDERS))
def test_the_folder_in_the_home(kind, value, monkeypatch, tmp_path):
    variable, default = FOLDERS[kind]
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)
    assert user_folder(kind) == tmp_path / default[2:] / "kface"
