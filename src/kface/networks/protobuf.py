"""Reads protobuf messages field by field, without the protobuf package and without recursion.

It is stricter than the libraries of the runtimes: whatever it might read differently from them is refused, so that no field
escapes the check.
"""

from typing import Iterator, Tuple, Union

Value = Union[int, memoryview]

#: Most fields of a file: our networks have some thousands, the largest known ones a hundred thousand.
MOST_FIELDS = 1000000


class Fields(object):
    """The fields of a file's messages, counted: a file of tiny fields alone would take hours.

    Args:
        most: How many fields are read before the file is refused.
    """

    def __init__(self, most: int = MOST_FIELDS) -> None:
        self._left = most

    def of(self, message: Value) -> Iterator[Tuple[int, Value]]:
        """Yield the fields of a message: numbers as int, everything with a length as a memoryview.

        Raises:
            ValueError: The message is damaged, or the file has too many fields.
        """
        if isinstance(message, int):
            raise ValueError("a number where a message should be")
        place, end = 0, len(message)
        while place < end:
            self._left -= 1
            if self._left < 0:
                raise ValueError("it has too many fields")
            tag, place = _varint(message, place)
            # The libraries drop the upper bits of such a tag and would see another field.
            if tag >> 32 or tag < 8:
                raise ValueError("the message is cut off or damaged")
            wire = tag & 7
            if wire == 0:
                number, place = _varint(message, place)
                yield tag >> 3, number
                continue
            if wire == 2:
                length, place = _varint(message, place)
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
            else:
                raise ValueError("the message is cut off or damaged")
            if place + length > end:
                raise ValueError("the message is cut off or damaged")
            yield tag >> 3, message[place : place + length]
            place += length

    def all(self, message: Value, field: int) -> Iterator[Value]:
        """Yield the values of one field."""
        for number, value in self.of(message):
            if number == field:
                yield value

    def texts(self, message: Value, field: int) -> Iterator[str]:
        """Yield the values of a string field; raises ValueError if one is a number."""
        for value in self.all(message, field):
            yield text_of(value)

    def text(self, message: Value, field: int) -> str:
        """Return a string field: the last value if there are several, as the libraries do; empty if there is none."""
        texts = list(self.texts(message, field))
        return texts[-1] if texts else ""


def text_of(value: Value) -> str:
    """Return a field's value as text; raises ValueError if it is a number."""
    if isinstance(value, int):
        raise ValueError("a number where a text should be")
    return bytes(value).decode("utf-8", "replace")


def _varint(message: memoryview, place: int) -> Tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if not byte & 128:
            return value, place
    raise ValueError("the message is cut off or damaged")
