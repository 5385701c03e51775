"""What the window remembers about streams: the fields in its preferences, what is secret in a store of passwords."""

import os
from typing import Optional, Tuple, Union

from deploy.app import preferences
from deploy.app.secrets import CameraSecrets, PasswordStore
from deploy.app.stream_choice import StreamChoice
from deploy.settings import DeploySettings
from kface.errors import ConfigError, KFaceError
from kface.gallery.keys import find_key
from kface.streams import Secret, StreamSettings

PathLike = Union[str, "os.PathLike[str]"]


class StreamMemory(object):
    """Remembers the stream that was chosen. Methods may take long (a keyring that asks): not for a GUI thread.

    Args:
        passwords: Where secrets are.
        file: The preferences; the user's where None.
    """

    def __init__(self, passwords: PasswordStore, file: Optional[PathLike] = None) -> None:
        self._passwords = passwords
        self.file = file

    @classmethod
    def of(cls, settings: DeploySettings) -> "StreamMemory":
        """Return the user's, whose passwords the key of a session's gallery encrypts where there is no keyring."""
        gallery = settings.gallery
        return cls(PasswordStore(lambda: find_key(gallery.key_file, gallery.keyring)))

    def recall(self, settings: DeploySettings) -> Tuple[DeploySettings, str]:
        """Return the settings of a session with the stream that was chosen last in place of their own.

        Returns:
            The settings, as they were given where nothing is remembered or it cannot be used any more; and what is wrong, in
            one line, empty where nothing is.
        """
        found, trouble = preferences.load(self.file)
        if found.stream is None:
            return settings, trouble
        try:
            choice = self.complete(found.stream) if found.stream.kind == "rtsp" else found.stream
        except KFaceError as error:
            # The camera may let us in all the same, and says so if not.
            choice, trouble = found.stream, str(error)
        wrong = choice.problems()
        if wrong:
            what = "the stream that was chosen last cannot be used ({})".format(wrong[0].field)
            return settings, str(ConfigError(what, choice.uri or None, "choose it again in the stream settings"))
        return choice.settings(settings), trouble

    def choice(self, settings: DeploySettings) -> StreamChoice:
        """Return what the stream settings begin with: the session's own, and for the other kinds what is remembered."""
        return StreamChoice.of(settings, preferences.load(self.file)[0].stream)

    def complete(self, choice: StreamChoice) -> StreamChoice:
        """Return a choice with its camera's secrets, as far as they are kept.

        Raises:
            KFaceError: They are kept and cannot be read.
        """
        found = self._passwords.get(camera_of(choice))
        if found.password:
            choice = choice._replace(password=found.password)
        return choice._replace(path=found.path.reveal()) if found.path else choice

    def remember(self, choice: StreamChoice, folder: str = "") -> str:
        """Remember a choice; an empty password is forgotten.

        Args:
            choice: What was chosen.
            folder: Where a file was chosen; that of before where empty.

        Returns:
            Where the secrets are, see :meth:`deploy.app.secrets.PasswordStore.put`.

        Raises:
            KFaceError: Something cannot be written.
        """
        preferences.change(self.file, stream=choice, **({"folder": folder} if folder else {}))
        if choice.kind != "rtsp":
            return "nowhere"
        path = Secret(choice.path) if choice.secret_path else Secret()
        return self._passwords.put(camera_of(choice), CameraSecrets(choice.password, path))

    def forget(self) -> None:
        """Forget the secrets of the camera that was chosen last, and all that are in a file of their own.

        Raises:
            KFaceError: They cannot be removed.
        """
        choice = preferences.load(self.file)[0].stream
        if choice is not None and choice.address:
            self._passwords.remove(camera_of(choice))
        self._passwords.remove_file()

    def place(self) -> str:
        """Return where a password would be kept: "keyring" or "file"."""
        return self._passwords.place()


def camera_of(choice: StreamChoice) -> str:
    """Return the name of a choice's camera among the passwords: its address and port.

    Raises:
        ConfigError: It has no address.
    """
    return StreamSettings("rtsp", address=choice.address.strip(), port=choice.port).authority
