"""The members of a configuration group: frozen dataclasses, one file each in ``conf/<group>/`` that names it by ``_target_``.

Backbones, losses, optimizers, callbacks and loggers are registered alike. A new one is a dataclass that derives from the base
class of its group and carries ``@GROUP.register``, and a file in ``conf/``; its fields are its settings and its description.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import ClassVar, Generic, Protocol, TypeAlias, TypeVar, cast

from omegaconf import DictConfig

from kface import stage
from kface.errors import ConfigError

#: A value of a JSON document.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class HasName(Protocol):
    """What every member has: its name in ``conf/<group>/``."""

    name: ClassVar[str]


Member = TypeVar("Member", bound=HasName)
Kind = TypeVar("Kind", bound=type)


class Registry(Generic[Member]):
    """The members of one group.

    Args:
        group: The group's folder in ``conf/``.
        base: The class that members derive from.

    Attributes:
        members: Classes by name.
    """

    def __init__(self, group: str, base: type) -> None:
        self.group = group
        self.base = base
        self.members: dict[str, type[Member]] = {}

    def register(self, kind: Kind) -> Kind:
        """Add a class; a decorator.

        Raises:
            TypeError: It is not a dataclass, does not derive from the base class, or its name is taken.
        """
        name = getattr(kind, "name", None)
        if not dataclasses.is_dataclass(kind) or not issubclass(kind, self.base) or not isinstance(name, str):
            raise TypeError(f"{kind.__name__} must be a named dataclass derived from {self.base.__name__}")
        if name in self.members:
            raise TypeError(f"{self.group} {name!r} is registered already")
        self.members[name] = cast("type[Member]", kind)
        return kind

    def make(self, name: str, arguments: Mapping[str, object]) -> Member:
        """Make a member by its name, as ``model.json`` holds it.

        Raises:
            ConfigError: The name is unknown, or an argument does not exist or is out of its range.
        """
        if name not in self.members:
            raise ConfigError(
                f"unknown {self.group} {name!r}", self.group, f"choose one of: {', '.join(sorted(self.members))}"
            )
        kind = self.members[name]
        known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
        for key in arguments:
            if key not in known:
                raise ConfigError("no such setting", f"{self.group}.{key}", f"choose one of: {', '.join(known)}")
        return kind(**arguments)

    def instantiate(self, node: DictConfig, key: str | None = None) -> Member:
        """Make the member that a configuration node names.

        Args:
            node: Holds ``_target_`` and the settings.
            key: The node's place in the configuration; by default the group.

        Raises:
            ConfigError: It names something else, or a setting does not exist or is out of its range.
        """
        made = stage.instantiate(node, key or self.group)
        if not isinstance(made, self.base):
            wanted = f"{self.base.__module__}.{self.base.__qualname__}"
            raise ConfigError(f"{type(made).__name__} is not a {wanted}", key or self.group, f"derive it from {wanted}")
        return cast(Member, made)


def describe(made: object) -> dict[str, Json]:
    """Return everything that a settings dataclass holds, as JSON: its class as ``_target_``, and all fields, nested ones too.

    Raises:
        TypeError: It is not a dataclass, or a field is not JSON.
    """
    return {"_target_": f"{type(made).__module__}.{type(made).__qualname__}", **fields_of(made)}


def fields_of(made: object) -> dict[str, Json]:
    """Return all fields of a settings dataclass as JSON, without its class."""
    if not dataclasses.is_dataclass(made) or isinstance(made, type):
        raise TypeError(f"{made!r} is not a dataclass")
    plain: dict[str, Json] = json.loads(json.dumps(dataclasses.asdict(made)))
    return plain
