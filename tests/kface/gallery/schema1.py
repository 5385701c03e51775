"""Writes a gallery as the first version of its file has it; shares no code with what reads it."""

import hashlib
import hmac
import json
import os
import sqlite3

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TABLES = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE person (id TEXT PRIMARY KEY, handle BLOB NOT NULL UNIQUE, nonce BLOB NOT NULL, sealed BLOB NOT NULL,"
    " created TEXT NOT NULL)",
    "CREATE TABLE template (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE, nonce BLOB NOT NULL, sealed BLOB NOT NULL,"
    " created TEXT NOT NULL)",
    "CREATE TABLE crop (template INTEGER PRIMARY KEY REFERENCES template (id) ON DELETE CASCADE, nonce BLOB NOT NULL,"
    " sealed BLOB NOT NULL)",
    "CREATE INDEX template_of_person ON template (person, id, nonce)",
)
CREATED = "2024-05-06T07:08:09+00:00"


def write(path, key, fingerprint, people):
    """Write a gallery; `people` has for each name its vectors and their crops as PNG, or None."""
    sealing = AESGCM(hmac.new(key, b"kface gallery: sealing", hashlib.sha256).digest())
    handles = hmac.new(key, b"kface gallery: handles", hashlib.sha256).digest()

    def seal(data, *about):
        nonce = os.urandom(12)
        return nonce, sealing.encrypt(nonce, data, json.dumps(["kface gallery", 1] + list(about)).encode("ascii"))

    db = sqlite3.connect(str(path), isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("BEGIN")
    for statement in TABLES:
        db.execute(statement)
    db.execute("PRAGMA application_id={}".format(0x6B666163))
    db.execute("PRAGMA user_version=1")
    nonce, sealed = seal(b"", "check", "", "")
    db.execute("INSERT INTO facts VALUES ('check', ?)", (nonce.hex() + ":" + sealed.hex(),))
    size = 0
    for name, templates in people.items():
        person = os.urandom(16).hex()
        handle = hmac.new(handles, name.encode("utf-8"), hashlib.sha256).digest()
        row = (person, handle) + seal(name.encode("utf-8"), "name", person, "") + (CREATED,)
        db.execute("INSERT INTO person VALUES (?, ?, ?, ?, ?)", row)
        for vector, png in templates:
            size = len(vector)
            data = (vector / np.linalg.norm(vector)).astype("<f4").tobytes()
            row = (person,) + seal(data, "template", person, fingerprint) + (CREATED,)
            number = db.execute(
                "INSERT INTO template (person, nonce, sealed, created) VALUES (?, ?, ?, ?)", row
            ).lastrowid
            if png is not None:
                db.execute("INSERT INTO crop VALUES (?, ?, ?)", (number,) + seal(png, "crop", person, fingerprint))
    for fact in (("fingerprint", fingerprint), ("embedding", str(size))):
        db.execute("INSERT INTO facts VALUES (?, ?)", fact)
    db.execute("COMMIT")
    db.close()
    os.chmod(str(path), 0o600)
