"""Documents that another step of the fleet wrote, checked before anything believes them (contract 75, 3; 80, 3.1).

A document of a wrong shape ends the command with the one message that names its file. A container that is missing,
null or false is not a wrong shape: it is empty.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get, present


def parse(data: bytes | None, message: str) -> Document | None:
    """The document in ``data``; None where there is no file and for the JSON value null.

    Raises:
        ManagerFileError: ``message``, when it is anything but exactly one JSON object.
    """
    if data is None:
        return None
    try:
        value = jsoncodec.loads(data)
    except ValueError:
        raise ManagerFileError(message) from None
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ManagerFileError(message)
    return Document(value, message)


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object and what to say when its inside is not as it should be. ``keys`` lead from its root."""

    root: JsonObject
    message: str

    def __getitem__(self, key: str) -> JsonValue:
        """``root[key] ?? null``."""
        return present(self.root.get(key))

    def at(self, *keys: str) -> JsonValue:
        """``root.a.b ?? null``.

        Raises:
            ManagerFileError: something on the way is no container.
        """
        return present(get(self.container(*keys[:-1]), keys[-1]))

    def container(self, *keys: str) -> JsonObject:
        """The object at a path, empty when absent.

        Raises:
            ManagerFileError: it is something else.
        """
        found = self.root
        for key in keys:
            value = present(found.get(key))
            if value is not None and not isinstance(value, dict):
                raise ManagerFileError(self.message)
            found = value or {}
        return found

    def items(self, *keys: str) -> list[JsonValue]:
        """The array at a path, empty when absent.

        Raises:
            ManagerFileError: it is something else.
        """
        value = self.at(*keys)
        if value is not None and not isinstance(value, list):
            raise ManagerFileError(self.message)
        return value or []

    def objects(self, *keys: str) -> list[Document]:
        """The objects in the array at a path; null is an empty one.

        Raises:
            ManagerFileError: it is no array, or has an element of another kind.
        """
        found = []
        for item in self.items(*keys):
            if item is not None and not isinstance(item, dict):
                raise ManagerFileError(self.message)
            found.append(Document(item or {}, self.message))
        return found

    def texts(self, *keys: str) -> list[str]:
        """The strings in the array at a path.

        Raises:
            ManagerFileError: it is no array, or has an element of another kind.
        """
        found = self.items(*keys)
        if not all(isinstance(item, str) for item in found):
            raise ManagerFileError(self.message)
        return found

    def number(self, *keys: str) -> int | float | None:
        """The number at a path.

        Raises:
            ManagerFileError: it is something else.
        """
        value = self.at(*keys)
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            return value
        raise ManagerFileError(self.message)
