"""Where a corpus is: paths as the command line gives them."""

import pytest

from kface.data.corpora import FolderCorpus, KFaceCorpus, SampleCorpus
from kface.errors import ConfigError, LayoutError


def test_a_folder_may_be_called_a_number(tmp_path, monkeypatch):
    (tmp_path / "2024").mkdir()
    monkeypatch.chdir(tmp_path)
    for corpus in (FolderCorpus, KFaceCorpus):
        made = corpus(root=2024, name=2024)
        assert made.prepare().is_dir()
        assert made.name == "2024"


@pytest.mark.parametrize("root", ["absent", "~nobody-of-this-name/faces", "a\udcb1"])
def test_what_is_no_directory_is_one_line(root):
    with pytest.raises(LayoutError, match="is not a directory|cannot be found") as caught:
        FolderCorpus(root=root).prepare()
    str(caught.value).encode("utf-8")


def test_no_root_is_asked_for(monkeypatch):
    monkeypatch.delenv("KFACE_ROOT", raising=False)
    for corpus in (FolderCorpus, KFaceCorpus):
        with pytest.raises(ConfigError, match="corpus.root"):
            corpus().prepare()


@pytest.mark.parametrize("value", [True, 0, -1, 1.5, "2", None])
def test_numbers_of_the_sample(value):
    with pytest.raises(ConfigError, match="corpus.identities"):
        SampleCorpus(identities=value)


def descendants(kind):
    return [one for child in kind.__subclasses__() for one in (child, *descendants(child))]


def test_what_every_corpus_declares():
    from kface.data.corpora import Corpus
    from kface.data.dataset.sources import SOURCES

    kinds = [kind for kind in descendants(Corpus) if hasattr(kind, "layout")]
    assert len(kinds) == 6
    for kind in kinds:
        made = kind()
        assert made.title, kind
        assert made.key.startswith(made.name), kind
        assert made.layout in SOURCES, kind
        assert made.synthetic == (kind is SampleCorpus), kind
    with pytest.raises(TypeError, match="abstract"):
        Corpus()
