"""The sources of a data base, by the names that conf/database has for them."""

from kface.kisa.database import KisaSource
from kface.kisa.folder import FolderDatabase
from kface.kisa.kface_mapping import KFaceDatabase
from kface.kisa.sample_source import SampleDatabase

SOURCES: dict[str, type[KisaSource]] = {
    "sample": SampleDatabase,
    "folder": FolderDatabase,
    "kface": KFaceDatabase,
}
