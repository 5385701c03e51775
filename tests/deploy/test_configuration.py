"""Where the settings come from, and that nobody's password gets into an argument, an error or a listing."""

import os
import stat

import pytest

pytest.importorskip("yaml")

from deploy import configuration
from deploy.configuration import masked, read_file, resolve, write_file
from deploy.outputs import outputs
from deploy.settings import DeploySettings
from kface.errors import ConfigError
from kface.mtcnn.settings import BRIGHTEN
from kface.recognizer import TrackSettings
from kface.recognizer.recognizer import MIN_FACE
from kface.streams import StreamSettings

#: What each kind of stream needs to be told.
CHOICES = {
    "sample": ([], None),
    "file": (["stream.file=clip.mp4"], StreamSettings("file", file="clip.mp4")),
    "rtsp": (["stream.address=10.0.0.7"], StreamSettings("rtsp", address="10.0.0.7")),
    "csi": ([], StreamSettings("csi", resolution=(1280, 720), fps=30)),
    "v4l2": ([], StreamSettings("v4l2", resolution=(1280, 720), fps=30)),
}


@pytest.fixture
def config(tmp_path):
    """Write a file of settings, and return its path."""

    def write(text, mode=0o600):
        path = tmp_path / "deploy.yaml"
        path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
        path.chmod(mode)
        return str(path)

    return write


def refused(call, *arguments):
    """Return the line of a refusal."""
    with pytest.raises(ConfigError) as caught:
        call(*arguments)
    line = str(caught.value)
    assert "\n" not in line
    return line


def composed(overrides):
    pytest.importorskip("hydra")
    return resolve(overrides)


@pytest.mark.parametrize("choice", sorted(CHOICES))
def test_the_configuration_says_what_the_code_has_by_default(choice):
    needed, stream = CHOICES[choice]
    made = DeploySettings.from_mapping(composed(["bundle=some", "stream=" + choice] + needed))
    assert made.detector == {"min_face": MIN_FACE, "thresholds": [0.6, 0.7, 0.8], "factor": 0.709, "brighten": BRIGHTEN}
    assert made._replace(detector={}) == DeploySettings(bundle="some", stream=stream)


def test_the_detectors_settings_are_the_detectors_own():
    import inspect

    from kface.mtcnn import Detector

    section = composed(["bundle=some"])["detector"]
    own = inspect.signature(Detector.__init__).parameters
    assert tuple(section["thresholds"]) == own["thresholds"].default
    assert section["factor"] == own["factor"].default


def test_every_runtime_of_the_configuration_is_one_that_there_is():
    from kface.networks import RUNTIMES
    from kface.stage import configuration_directory

    choices = sorted(path.stem for path in (configuration_directory() / "runtime").glob("*.yaml"))
    assert choices
    for choice in choices:
        name = DeploySettings.from_mapping(composed(["bundle=some", "runtime=" + choice])).runtime
        assert name == choice
        assert name == "auto" or name in RUNTIMES


def test_the_settings_of_tracks_in_the_configuration_are_those_there_are():
    section = composed(["bundle=some"])["tracks"]
    assert set(section) - {"enabled"} <= set(TrackSettings._fields)


def test_every_output_has_its_settings_in_the_configuration_with_its_defaults():
    expected = {"window": False}
    for output in outputs():
        expected.update(output.options()._asdict())
    section = {
        key: tuple(value) if isinstance(value, list) else value for key, value in composed([])["outputs"].items()
    }
    assert section == expected


def test_a_network_camera_needs_its_address():
    assert refused(composed, ["stream=rtsp"]) == "stream.address: is not given; give stream.address=VALUE"


def test_an_unknown_setting_is_answered_with_those_there_are():
    line = refused(composed, ["outputs.vidoe=a.mp4"])
    assert "outputs.vidoe" in line
    assert "video" in line


def test_without_hydra_the_way_out_is_told(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "omegaconf", None)
    assert "--config FILE" in refused(resolve, [])


@pytest.mark.parametrize(
    "override",
    [
        "stream.password=hush-hush",
        "+stream.password=hush-hush",
        "++stream.password=hush-hush",
        " stream.password = hush-hush",
        "source=rtsp://admin:hush-hush@10.0.0.7/live",
        "source='rtsp://admin:hush-hush@10.0.0.7/live'",
        "source= RTSP://admin:hush-hush@10.0.0.7/live",
        "rtsp://admin:hush-hush@10.0.0.7/live",
        "stream={kind: rtsp, password: hush-hush}",
        "+stream={password: hush-hush}",
    ],
)
@pytest.mark.parametrize("from_file", [False, True])
def test_a_password_is_no_argument(override, from_file, config):
    line = refused(resolve, [override], config("loop: false\n") if from_file else None)
    assert "must not be an argument" in line
    assert "KFACE_STREAM_PASSWORD" in line
    assert "hush" not in line


def test_an_id_and_a_camera_without_credentials_are_arguments_like_others(config):
    file = config("loop: false\n")
    given = resolve(["source=rtsp://10.0.0.7:8554/a@b:c", "stream.id=admin"], file)
    assert given["source"] == "rtsp://10.0.0.7:8554/a@b:c"
    assert given["stream"] == {"id": "admin"}


@pytest.mark.parametrize(
    "text",
    [
        "stream: {kind: rtsp, address: a, id: me, password: hush-hush}\n",
        "source: rtsp://me:hush-hush@10.0.0.7/live\n",
        'source: " RTSP://me:hush-hush@10.0.0.7/live"\n',
    ],
)
def test_a_file_with_a_password_is_its_owners_alone(text, config):
    assert resolve([], config(text))
    for mode in (0o640, 0o604, 0o660):
        path = config(text, mode)
        assert refused(resolve, [], path) == "{0}: holds a password and may be read by others; chmod 600 {0}".format(
            path
        )


def test_a_file_without_a_password_may_be_read_by_all(config):
    path = config("source: rtsp://10.0.0.7/live\nstream: {id: me}\n", 0o644)
    assert os.stat(path).st_mode & stat.S_IROTH
    assert resolve([], path)["stream"] == {"id": "me"}


@pytest.mark.parametrize(
    "text",
    [
        "stream:\n  password: 'hush-hush\n",
        "stream: {password: hush-hush\n",
        "stream:\n\tpassword: hush-hush\n",
        "stream: {password: hush-hush, since: 2024-13-45}\n",
        "stream: {password: hush-hush, deep: " + "[" * 3000 + "]" * 3000 + "}\n",
        "stream: !!python/object/apply:os.system [hush-hush]\n",
    ],
)
def test_what_is_not_yaml_is_refused_without_quoting_it(text, config):
    path = config(text)
    line = refused(resolve, [], path)
    assert line.startswith(path + ": is not YAML")
    assert "hush" not in line


def test_the_line_that_is_not_yaml_is_named(config):
    assert refused(resolve, [], config("loop: true\nview: [\n")).endswith("is not YAML, line 3")


@pytest.mark.parametrize("text", ["- csi://0\n", "csi://0\n", "5: 6\n", "true\n"])
def test_a_file_must_hold_settings(text, config):
    assert "must hold settings, such as source: csi://0" in refused(resolve, [], config(text))


def test_an_empty_file_leaves_everything_as_it_is(config):
    assert resolve([], config("# nothing\n")) == {}
    assert resolve(["loop=true"], config("")) == {"loop": True}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_file_as_editors_save_it(encoding, config):
    assert resolve([], config("source: 클립.mp4\r\nloop: true\r\n".encode(encoding))) == {
        "source": "클립.mp4",
        "loop": True,
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(str(tmp_path / "pipe.yaml"))
    assert "pipe.yaml: cannot be read (not a regular file)" in refused(resolve, [], str(tmp_path / "pipe.yaml"))
    assert "not a regular file" in refused(resolve, [], "/dev/zero")


def test_a_file_that_cannot_be_read_is_named(tmp_path, config):
    assert "none.yaml: cannot be read (No such file" in refused(resolve, [], str(tmp_path / "none.yaml"))
    assert "cannot be read (is a directory)" in refused(read_file, str(tmp_path)).lower()
    assert "deploy.yaml: cannot be read" in refused(resolve, [], config(b"loop: \xff\xfe\n"))
    assert "too large" in refused(resolve, [], config("# " + "x" * (1 << 20)))


def test_arguments_change_a_files_settings(config):
    path = config("loop: false\noutputs:\n  json: a.jsonl\nweb: null\n")
    found = read_file(
        path, ["loop=true", "outputs.json=-", "outputs.video=b.mp4", "web.port=80", "source=", "dnn_size=[320, 180]"]
    )
    assert found == {
        "loop": True,
        "outputs": {"json": "-", "video": "b.mp4"},
        "web": {"port": 80},
        "source": None,
        "dnn_size": [320, 180],
    }


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("loop", "'loop': is not a setting; write key=value"),
        ("+loop=true", "'+loop': is not a setting"),
        ("Loop=hush", "'Loop': is not a setting"),
        ("loop..x=1", "is not a setting"),
        ("loop.x=1", "loop.x: loop has no settings of its own"),
        ("outputs=hush", "outputs: has settings of its own; give one of them, such as outputs.json="),
        ("dnn_size=[hush", "dnn_size: the value is not YAML; quote it"),
        ("seconds=2024-13-45", "seconds: the value is not YAML; quote it"),
    ],
)
def test_an_argument_that_cannot_be_is_named(override, says, config):
    line = refused(read_file, config("loop: true\noutputs:\n  json: a\n"), [override])
    assert says in line
    assert "hush" not in line


@pytest.mark.parametrize(
    "name", ["클립 (1).mp4", "[x].mp4", "2024", "a: b.mp4", "#1.mp4", "*.mp4", "it's", "@x", "%", "{a}", "- x"]
)
def test_a_file_name_is_taken_to_the_letter_with_hydra_and_without(name, config):
    assert read_file(config(""), ["source=" + name]) == {"source": name}
    assert composed(["source=" + name])["source"] == name


def test_quotes_around_a_file_name_are_yaml_s(config):
    assert read_file(config(""), ["source='클립.mp4'"]) == {"source": "클립.mp4"}


def test_standard_output_is_a_dash_with_hydra_and_without(config):
    assert read_file(config(""), ["outputs.json=-"]) == {"outputs": {"json": "-"}}
    assert composed(["outputs.json=-"])["outputs"]["json"] == "-"


def test_settings_that_are_shown_can_be_read_again_without_passwords(config):
    values = {"stream": {"kind": "rtsp", "id": "김", "password": "hush-hush"}, "dnn_size": [320, 180], "loop": False}
    assert read_file(config(write_file(values))) == values
    shown = masked(dict(values, source="rtsp://me:hush-hush@10.0.0.7/live"))
    assert "hush" not in write_file(shown)
    assert "10.0.0.7/live" in shown["source"]
    assert values["stream"]["password"] == "hush-hush"
    assert masked({"loop": True, "source": None}) == {"loop": True, "source": None}
    # The stars are not taken for a password.
    line = refused(lambda: StreamSettings("rtsp", address="a", id="me", password=shown["stream"]["password"]))
    assert "stream.password" in line


def test_without_pyyaml_the_way_out_is_told(monkeypatch, config):
    import sys

    monkeypatch.setitem(sys.modules, "yaml", None)
    assert "python3-yaml" in refused(configuration.resolve, [], config(""))
