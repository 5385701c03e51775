"""Settings are checked before anything is opened, and a refusal names the setting."""

import os

import pytest

from deploy.outputs.json_lines import JsonLines, JsonSettings
from deploy.outputs.snapshots import Snapshots, SnapshotSettings
from deploy.outputs.video import VideoOutput, VideoSettings
from deploy.settings import ChosenOutput, DeploySettings, GallerySettings, OutputSettings, WebSettings
from kface.bundle.newest import newest_bundle
from kface.errors import ConfigError
from kface.gallery import Limits
from kface.recognizer import PipelineSettings, TrackSettings
from kface.streams import StreamSettings


def made(**values):
    return DeploySettings.from_mapping(dict({"bundle": "some"}, **values))


def test_what_is_absent_has_its_default():
    assert made() == DeploySettings(bundle="some")
    nothing = dict.fromkeys(("source", "stream", "seconds", "dnn_size", "gallery", "outputs", "web", "tracks"))
    assert made(**nothing) == DeploySettings(bundle="some")


def test_everything_can_be_said():
    found = made(
        source="rtsp://10.0.0.7/live",
        stream={"fps": 10, "view": "320x240", "resolution": [1280, 720]},
        loop=True,
        seconds=2,
        detector={"min_face": 56, "thresholds": [0.5, 0.6, 0.7], "factor": None},
        runtime={"name": "opencv"},
        precision="int8",
        dnn_size="320x180",
        match={"recognised": 0.5, "unknown": None},
        tracks={"enabled": True, "min_views": 4, "iou_threshold": 0.4},
        gallery={"file": "g.db", "key_file": "k", "keyring": False, "keep_crops": True},
        enrolment={"size": 80, "pitch": [0.2, 0.8]},
        outputs={"video": "a.MP4", "json": "-", "json_lines": "frames", "snapshots": "s", "snapshot_of": "unknown"},
        web={"enabled": False, "port": 0, "fps": 60, "quality": 100, "host": "0.0.0.0"},
    )
    assert found == DeploySettings(
        bundle="some",
        stream=StreamSettings(
            "rtsp", address="10.0.0.7", path="/live", fps=10, view=(320, 240), resolution=(1280, 720)
        ),
        view=(320, 240),
        loop=True,
        seconds=2.0,
        detector={"min_face": 56, "thresholds": [0.5, 0.6, 0.7]},
        runtime="opencv",
        precision="int8",
        match={"recognised": 0.5},
        pipeline=PipelineSettings(TrackSettings(min_views=4, iou_threshold=0.4), (320, 180)),
        gallery=GallerySettings("g.db", "k", False, True),
        enrolment=Limits(size=80, pitch=(0.2, 0.8)),
        outputs=OutputSettings(
            False,
            (
                ChosenOutput(JsonLines, JsonSettings("-", "frames")),
                ChosenOutput(Snapshots, SnapshotSettings("s", ("unknown",), 1000)),
                ChosenOutput(VideoOutput, VideoSettings("a.MP4")),
            ),
        ),
        web=WebSettings(False, "0.0.0.0", 0, None, 60, 100),
    )


def test_everything_about_the_gate_and_about_cuts_can_be_set():
    gate = {"size": 1, "sharpness": 2, "yaw": 0.1, "pitch": [0.1, 0.9], "roll": 20, "outside": 0.25}
    assert made(enrolment=gate).enrolment == Limits(1, 2, 0.1, (0.1, 0.9), 20, 0.25)
    assert made(enrolment={"pitch": None, "roll": None}).enrolment == Limits()
    assert made(tracks={"changed": 0.5}).pipeline.tracks.changed == 0.5


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("enrolment", "pitch", [0.9, 0.1]),
        ("enrolment", "roll", -5),
        ("enrolment", "outside", float("nan")),
        ("enrolment", "size", float("inf")),
        ("tracks", "changed", 2),
    ],
)
def test_a_gate_that_cannot_be_is_named(section, key, value):
    with pytest.raises(ConfigError, match="{}.{}".format(section, key)):
        made(**{section: {key: value}})


def test_former_names_of_settings_of_tracks_are_read():
    before = {"missing": 7, "iou": 0.4, "views": 4, "memory": 9}
    now = {"max_age": 7, "iou_threshold": 0.4, "min_views": 4, "max_views": 9}
    assert made(tracks=before).pipeline.tracks == made(tracks=now).pipeline.tracks == TrackSettings(**now)
    with pytest.raises(ConfigError, match=r"tracks\.views: is the former name of tracks\.min_views; leave it out"):
        made(tracks={"views": 3, "min_views": 4})


def test_without_tracks_every_frame_stands_alone():
    assert made(tracks={"enabled": False, "min_views": 5}).pipeline == PipelineSettings(None)


def test_the_sample_has_a_view_of_its_own():
    found = made(stream={"kind": "sample", "view": "1280x720", "fps": None})
    assert found.stream is None
    assert found.view == (1280, 720)


def test_nobody_may_be_taken_pictures_of():
    chosen = made(outputs={"snapshots": "s", "snapshot_of": []}).outputs.chosen
    assert [one.options for one in chosen] == [SnapshotSettings("s", (), 1000)]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"vidoe": 1}, "vidoe: unknown setting"),
        ({"outputs": {"vidoe": "a.mp4"}}, "outputs.vidoe: unknown setting; choose: video"),
        ({"stream": {"usb": 1}}, "stream.usb"),
        ({"stream": {"kind": "usb"}}, "stream.kind"),
        ({"stream": {"kind": 7}}, "stream.kind"),
        ({"stream": {"kind": "file"}}, "stream.file"),
        ({"stream": {"kind": "file", "file": 7}}, "stream.file"),
        ({"stream": {"kind": "file", "file": "a\0b"}}, "stream.file"),
        ({"stream": {"kind": "rtsp", "address": 7}}, "stream.address"),
        ({"stream": {"kind": "rtsp", "address": "a", "path": 7}}, "stream.path"),
        ({"stream": {"kind": "rtsp", "address": "a", "id": 7}}, "stream.id"),
        ({"stream": {"kind": "rtsp", "address": "a", "port": "554"}}, "stream.port"),
        ({"stream": {"view": "100x100"}}, "stream.view"),
        ({"stream": {"view": 7}}, "stream.view"),
        ({"stream": {"kind": "csi", "fps": 31}}, "stream.fps"),
        ({"stream": {"kind": "csi", "resolution": {}}}, "stream.resolution"),
        ({"source": 5.5}, "source"),
        ({"source": True}, "source"),
        ({"source": "http://a/b"}, "stream"),
        ({"bundle": 7}, "bundle"),
        ({"loop": "yes"}, "loop"),
        ({"loop": 1}, "loop"),
        ({"loop": None}, "loop"),
        ({"every_frame": 0}, "every_frame"),
        ({"every_frame": True, "source": "csi://0"}, "every_frame: only a file"),
        ({"every_frame": True, "loop": True, "source": "a.mp4"}, "loop: a file that is read without loss ends"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"seconds": "5"}, "seconds"),
        ({"detector": 7}, "detector"),
        ({"detector": {"min_face": "big"}}, "detector.min_face"),
        ({"detector": {"thresholds": 0.6}}, "detector.thresholds"),
        ({"detector": {"brighten": ["bright"]}}, "detector.brighten"),
        ({"detector": {"brighten": 5}}, "detector.brighten"),
        ({"detector": {"thresholds": [0.6, "x", 0.8]}}, "detector.thresholds"),
        ({"detector": {"size": 1}}, "detector.size"),
        ({"runtime": 7}, "runtime"),
        ({"runtime": {"name": 7}}, "runtime.name"),
        ({"precision": "fp64"}, "precision"),
        ({"match": {"recognised": "0.5"}}, "match.recognised"),
        ({"match": {"certain": 1}}, "match.certain"),
        ({"dnn_size": 320}, "dnn_size"),
        ({"dnn_size": "320"}, "dnn_size"),
        ({"dnn_size": "axb"}, "dnn_size"),
        ({"dnn_size": "²x²"}, "dnn_size"),
        ({"dnn_size": [320, 180.0]}, "dnn_size"),
        ({"dnn_size": [1, 2]}, "dnn_size"),
        ({"dnn_size": [320, True]}, "dnn_size"),
        ({"tracks": {"enabled": "no"}}, "tracks.enabled"),
        ({"tracks": {"min_views": "3"}}, "tracks.min_views"),
        ({"tracks": {"min_views": 0}}, "tracks.min_views"),
        ({"tracks": {"iou_threshold": 2}}, "tracks.iou_threshold"),
        ({"gallery": {"file": 7}}, "gallery.file"),
        ({"gallery": {"keyring": "yes"}}, "gallery.keyring"),
        ({"gallery": {"keep_crops": 1}}, "gallery.keep_crops"),
        ({"enrolment": {"size": "60"}}, "enrolment.size"),
        ({"enrolment": {"pitch": 0.5}}, "enrolment.pitch"),
        ({"enrolment": {"pitch": [0.5, "x"]}}, "enrolment.pitch"),
        ({"outputs": {"video": "a.mkv"}}, "outputs.video"),
        ({"outputs": {"window": "yes"}}, "outputs.window"),
        ({"outputs": {"json": ["-"]}}, "outputs.json"),
        ({"outputs": {"json_lines": "all"}}, "outputs.json_lines"),
        ({"outputs": {"snapshot_of": ["undecided"]}}, "outputs.snapshot_of"),
        ({"outputs": {"snapshot_of": 5}}, "outputs.snapshot_of"),
        ({"outputs": {"snapshots_kept": 0}}, "outputs.snapshots_kept"),
        ({"outputs": []}, "outputs"),
        ({"web": {"enabled": None}}, "web.enabled"),
        ({"web": {"port": 65536}}, "web.port"),
        ({"web": {"port": True}}, "web.port"),
        ({"web": {"port": "8088"}}, "web.port"),
        ({"web": {"fps": 0}}, "web.fps"),
        ({"web": {"quality": 101}}, "web.quality"),
        ({"web": {"host": 7}}, "web.host"),
    ],
)
def test_a_refusal_is_one_line_that_names_the_setting(values, names):
    with pytest.raises(ConfigError) as caught:
        made(**values)
    line = str(caught.value)
    assert line.startswith(names + ("" if ":" in names else ":"))
    assert "\n" not in line


def test_a_camera_at_the_wrong_place_does_not_show_its_password():
    with pytest.raises(ConfigError) as caught:
        made(stream="rtsp://me:hush-hush@10.0.0.7/live")
    assert "hush" not in str(caught.value)
    assert "stream: must have settings of its own" in str(caught.value)


@pytest.mark.parametrize("name", ["video", "json"])
def test_the_streams_own_file_is_no_output(tmp_path, name):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"film")
    link, twin = tmp_path / "link.mp4", tmp_path / "twin.mp4"
    link.symlink_to(clip)
    os.link(str(clip), str(twin))
    for other in (clip, link, twin, tmp_path / "x" / ".." / "clip.mp4"):
        with pytest.raises(ConfigError, match=r"outputs\.{}: is the stream's own file".format(name)):
            made(source="file:{}".format(clip), outputs={name: str(other)})
    assert made(source=str(clip), outputs={name: str(tmp_path / "other.mp4")}).outputs
    assert made(source="rtsp://a/clip.mp4", outputs={name: "clip.mp4"}).outputs


def test_the_bundle_is_the_one_that_is_named_or_the_newest(tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.delenv("KFACE_BUNDLE", raising=False)
    assert newest_bundle() is None
    with pytest.raises(ConfigError, match="bundle: is not given"):
        DeploySettings.from_mapping({})
    for age, name in ((30, "outputs/2026-01-01/a/bundle"), (10, "bundles/b"), (20, "outputs/2026-01-02/c/bundle")):
        (tmp_path / name).mkdir(parents=True)
        manifest = tmp_path / name / "manifest.json"
        manifest.write_text("{}")
        os.utime(str(manifest), (10**9 - age, 10**9 - age))
    assert DeploySettings.from_mapping({"bundle": None}).bundle == os.path.join("bundles", "b")
    monkeypatch.setenv("KFACE_BUNDLE", "/named")
    assert DeploySettings.from_mapping({"bundle": ""}).bundle == "/named"
    assert DeploySettings.from_mapping({"bundle": "given"}).bundle == "given"


def test_a_bundles_own_settings_are_understood():
    given = {
        "bundle": "b",
        "runtime": {"name": "onnxruntime", "precision": "int8"},
        "match": {"recognised": 0.5, "unknown": 0.4},
    }
    made = DeploySettings.from_mapping(given)
    assert (made.runtime, made.precision) == ("onnxruntime", "int8")
    assert DeploySettings.from_mapping(dict(given, precision="fp16")).precision == "fp16"
    with pytest.raises(ConfigError, match=r"precision: must be one of"):
        DeploySettings.from_mapping(dict(given, runtime={"precision": "fp8"}))


@pytest.mark.parametrize("source", [0, "0", 2, "v4l2://2", "/dev/video2"])
def test_a_number_is_a_usb_camera(source):
    number = 2 if "2" in str(source) else 0
    stream = DeploySettings.from_mapping({"bundle": "b", "source": source}).stream
    assert (stream.kind, stream.device) == ("v4l2", "/dev/video{}".format(number))


def test_pixels_are_left_as_they_are_where_that_is_wanted():
    for given in (
        {"source": "a.mp4", "stream": {"square_pixels": False}},
        {"stream": {"kind": "csi", "square_pixels": False}},
    ):
        assert DeploySettings.from_mapping(dict(given, bundle="b")).stream.square_pixels is False
    with pytest.raises(ConfigError, match=r"stream\.square_pixels: must be true or false"):
        DeploySettings.from_mapping({"bundle": "b", "source": "a.mp4", "stream": {"square_pixels": "no"}})
