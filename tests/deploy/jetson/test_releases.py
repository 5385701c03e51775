"""Archives that are what was packed, and releases side by side."""

import os

import pytest
from jetson_fakes import make_archive, seal

from deploy.jetson.releases import SUMS, Releases, read_sums, release_name, sums_text
from deploy.jetson.system import InstallError


def test_an_archive_that_is_whole(archive):
    sums = read_sums(str(archive))
    assert {"install.sh", "src/kface/__init__.py", "bundle/manifest.json"} <= set(sums)
    assert (archive / SUMS).read_text() == sums_text(sums)


def refused(archive):
    with pytest.raises(InstallError) as caught:
        read_sums(str(archive))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_what_was_changed_is_refused(archive):
    (archive / "kface.service").write_text("[Service]\nExecStart=/bin/sh\n")
    assert "kface.service: was changed" in refused(archive)


def test_what_is_missing_is_refused(archive):
    (archive / "kface").unlink()
    assert "kface: is missing; copy the archive again" in refused(archive)
    (archive / SUMS).unlink()
    assert "SHA256SUMS: cannot be read" in refused(archive)


def test_a_link_in_place_of_a_file_is_refused(archive):
    (archive / "kface").rename(archive.parent / "elsewhere")
    (archive / "kface").symlink_to(archive.parent / "elsewhere")
    assert "kface: is missing" in refused(archive)


def test_what_is_not_listed_is_refused(archive):
    (archive / "src" / "kface" / "os.py").write_text("")
    assert "os.py: is not part of the archive" in refused(archive)


def test_what_python_compiled_meanwhile_is_no_fault(archive):
    (archive / "src" / "kface" / "__pycache__").mkdir()
    (archive / "src" / "kface" / "__pycache__" / "x.pyc").write_bytes(b"")
    assert read_sums(str(archive))


@pytest.mark.parametrize(
    "line", ["{d}  ../../etc/passwd", "{d}  /etc/passwd", "{d}  a//b", "zz  kface", "{d} kface", "", "{d}  "]
)
def test_lines_that_lead_elsewhere_are_refused(archive, line):
    with open(str(archive / SUMS), "a") as stream:
        stream.write(line.format(d="0" * 64) + "\n")
    assert "has an invalid line" in refused(archive)


def test_a_release_is_named_after_its_content(archive, tmp_path):
    name = release_name(str(archive))
    assert name.startswith("0.1.0-")
    assert release_name(str(make_archive(tmp_path / "same"))) == name
    assert release_name(str(make_archive(tmp_path / "other", extra="x = 1\n"))) != name


@pytest.fixture
def releases(board, system):
    return Releases(system(board))


def put(releases, archive):
    name = release_name(str(archive))
    with releases.locked():
        return name, releases.put(str(archive), name, read_sums(str(archive)))


def test_a_release_is_copied_once_and_again_where_it_is_damaged(releases, archive, board):
    name, copied = put(releases, archive)
    assert copied
    assert releases.all() == [name]
    assert put(releases, archive) == (name, False)
    place = board.at("/opt/kface/" + name)
    (place / "kface").write_text("damaged")
    assert put(releases, archive) == (name, True)
    assert read_sums(str(place)) == read_sums(str(archive))


def test_a_copy_that_fails_leaves_nothing(releases, archive, board, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deploy.jetson.releases.shutil.copyfile", full)
    with pytest.raises(InstallError, match="No space left on device\\); free some disk space"):
        put(releases, archive)
    assert [path.name for path in board.at("/opt/kface").iterdir()] == [".lock"]


def test_an_archive_that_changes_while_it_is_copied(releases, archive):
    name, sums = release_name(str(archive)), read_sums(str(archive))
    (archive / "kface").write_text("late")
    with releases.locked(), pytest.raises(InstallError, match="was changed"):
        releases.put(str(archive), name, sums)
    assert releases.all() == []


def test_links_follow_and_only_two_stay(releases, tmp_path, board):
    names = [put(releases, make_archive(tmp_path / "a", "0.{}.0".format(number)))[0] for number in (1, 2, 3)]
    assert (releases.current, releases.previous) == (None, None)
    for name in names:
        releases.switch(name)
    assert (releases.current, releases.previous) == (names[2], names[1])
    releases.switch(names[2])
    assert releases.previous == names[1]
    board.put("/opt/kface/.old-x/file", "")
    assert releases.prune() == [names[0]]
    assert releases.all() == names[1:]
    assert not board.at("/opt/kface/.old-x").exists()


def test_a_link_to_nothing_is_no_release(releases, board, tmp_path):
    name, _ = put(releases, make_archive(tmp_path / "a"))
    releases.switch(name)
    board.at("/opt/kface/" + name).rename(board.at("/opt/gone"))
    assert releases.current is None
    board.at("/opt/kface/current").unlink()
    board.at("/opt/kface/current").symlink_to("../../etc")
    assert releases.current is None


def test_something_in_the_links_place_is_not_removed(releases, board, tmp_path):
    name, _ = put(releases, make_archive(tmp_path / "a"))
    board.at("/opt/kface/current").mkdir()
    with pytest.raises(InstallError, match="exists and is not a link; move it elsewhere"):
        releases.switch(name)


def test_the_lock_goes_with_its_holder(releases, board, system):
    with releases.locked(), pytest.raises(InstallError, match="another installer"), Releases(system(board)).locked():
        pass
    with Releases(system(board)).locked():
        assert os.path.exists(str(board.at("/opt/kface/.lock")))


def test_sealing_again_gives_the_same(archive):
    before = (archive / SUMS).read_bytes()
    assert (seal(archive) / SUMS).read_bytes() == before
