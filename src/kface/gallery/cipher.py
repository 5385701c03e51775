"""AES-256-GCM, and the keys that come of a passphrase: the one module that adapts the ``cryptography`` package."""

import hashlib
import hmac
import os
import struct
import warnings
from typing import Any, Tuple

from kface.errors import ConfigError, GalleryError

KEY_BYTES = 32
#: 96 bits, drawn for each message: what NIST SP 800-38D wants for up to 2^32 messages of a key.
NONCE_BYTES = 12
#: scrypt's cost (n), block size (r) and lanes (p): 64 MiB and about a quarter of a second on a PC.
SCRYPT = (1 << 16, 8, 1)


class ForgedError(Exception):
    """A ciphertext that this key did not seal with these associated data."""


def _aead(key: bytes) -> Any:
    try:
        # Its last version for Python 3.6 warns of that on every start.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise ConfigError("is not installed; galleries are encrypted with it", "cryptography", "install cryptography")
    return AESGCM(key)


class Cipher(object):
    """Seals and opens with one key.

    Args:
        key: 32 random bytes. What seals and what makes handles are two keys derived from it.

    Raises:
        GalleryError: The key has another length.
        ConfigError: The ``cryptography`` package is not installed.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise GalleryError("a key has {} bytes, not {}".format(KEY_BYTES, len(key)))
        self._sealing = _aead(hmac.new(key, b"kface gallery: sealing", hashlib.sha256).digest())
        self._handles = hmac.new(key, b"kface gallery: handles", hashlib.sha256).digest()

    def seal(self, data: bytes, associated: bytes) -> Tuple[bytes, bytes]:
        """Encrypt.

        Args:
            data: What is to be kept secret.
            associated: What it belongs to; it can only be opened with the same.

        Returns:
            A fresh random nonce, and the ciphertext with its tag.
        """
        nonce = os.urandom(NONCE_BYTES)
        return nonce, self._sealing.encrypt(nonce, data, associated)

    def open(self, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt what :meth:`seal` made.

        Raises:
            ForgedError: Another key or other associated data sealed it, or it was changed since.
        """
        from cryptography.exceptions import InvalidTag

        # Old releases of cryptography have errors of their own for that.
        if not isinstance(nonce, bytes) or len(nonce) != NONCE_BYTES:
            raise ForgedError()
        try:
            return bytes(self._sealing.decrypt(nonce, sealed, associated))
        # A changed file need not keep to a nonce's length or a column's type.
        except (InvalidTag, ValueError, TypeError):
            raise ForgedError()

    def handle(self, text: str) -> bytes:
        """Return 32 bytes by which a text can be looked up without being stored (HMAC-SHA-256)."""
        return hmac.new(self._handles, text.encode("utf-8"), hashlib.sha256).digest()


class BlockCipher(object):
    """Seals the blocks of one file, each once, with a key that is this file's alone: a block's place is its nonce.

    Args:
        key: 32 random bytes, drawn for this file.
    """

    #: What a sealed block is longer by.
    TAG_BYTES = 16

    def __init__(self, key: bytes) -> None:
        self._sealing = _aead(key)

    def seal(self, section: int, number: int, data: bytes) -> bytes:
        """Encrypt a block: the number-th of its section."""
        return bytes(self._sealing.encrypt(struct.pack(">IQ", section, number), data, None))

    def open_into(self, section: int, number: int, sealed: memoryview, out: memoryview) -> None:
        """Decrypt what :meth:`seal` made into memory that is as long.

        Raises:
            ForgedError: It was changed, or is another block.
        """
        from cryptography.exceptions import InvalidTag

        nonce = struct.pack(">IQ", section, number)
        try:
            # New in version 47.
            if hasattr(self._sealing, "decrypt_into"):
                self._sealing.decrypt_into(nonce, sealed, None, out)
            else:
                out[:] = self._sealing.decrypt(nonce, bytes(sealed), None)
        except (InvalidTag, ValueError, TypeError):
            raise ForgedError()


def derive(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    """Return the key that scrypt (RFC 7914) makes of a passphrase: 32 bytes.

    Args:
        passphrase: In Unicode's composed form.
        salt: Random bytes, kept with what the key seals.
        n: Cost, a power of two; takes ``128 * n * r`` bytes of memory.
        r: Block size.
        p: Lanes.
    """
    _aead(bytes(KEY_BYTES))
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    # Versions below 3.1 cannot do without the backend.
    made = Scrypt(salt=salt, length=KEY_BYTES, n=n, r=r, p=p, backend=default_backend())
    return bytes(made.derive(passphrase.encode("utf-8")))
