"""One table of reason codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Codes:
    """One table: where its codes are seen, who declares them, what each means.

    ``source`` is the enumeration, or the path of the module that holds the codes as text.
    """

    title: str
    where: str
    source: type[StrEnum] | str
    meanings: Mapping[str, str]
