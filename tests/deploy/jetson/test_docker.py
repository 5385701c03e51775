"""The container's files agree with the installation; nothing here builds one."""

import re
from pathlib import Path

import pytest

from deploy.jetson.archive import DOCKER
from deploy.jetson.command import environment

ROOT = Path(__file__).resolve().parents[3]


def dockerfile():
    text = (ROOT / DOCKER[0]).read_text(encoding="utf-8")
    return re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)).splitlines()


def test_the_container_has_the_services_environment():
    (line,) = [line for line in dockerfile() if line.startswith("ENV ")]
    found = dict(word.split("=", 1) for word in line.split()[1:])
    expected = environment()
    # The key lies in the container's one volume, where the gallery makes it by itself.
    expected.pop("XDG_CONFIG_HOME")
    assert found.pop("TMPDIR") == "/run/kface"
    assert found == expected


def test_what_is_copied_is_in_an_archive_and_the_service_is_not_root():
    lines = dockerfile()
    assert [line.split()[1] for line in lines if line.startswith("COPY ")] == ["src", "bundle", "deploy.yaml"]
    users = [line for line in lines if line.startswith("USER ")]
    (made,) = [line for line in lines if "useradd" in line]
    assert users == ["USER 990"]
    assert "--uid 990" in made


def test_compose_takes_rights_away():
    yaml = pytest.importorskip("yaml")
    service = yaml.safe_load((ROOT / DOCKER[1]).read_text(encoding="utf-8"))["services"]["kface"]
    assert service["runtime"] == "nvidia"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service
    assert service["build"]["dockerfile"] == DOCKER[0]
    folders = [volume.split(":")[1] for volume in service["volumes"]]
    assert folders == ["/var/lib/kface", "/var/cache/kface"]
