"""The loops under supervision: built from registry entries, replaced when their entry changes, dropped when it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from opsd.fleet.registry import LoopEntry
from opsd.supervisor.loops.managed_loop import ManagedLoop


class Fleet:
    """The current :class:`ManagedLoop` of each loop id, in registry order."""

    def __init__(self) -> None:
        self._loops: dict[str, ManagedLoop] = {}

    def __len__(self) -> int:
        return len(self._loops)

    def __iter__(self) -> Iterator[ManagedLoop]:
        return iter(self._loops.values())

    def get(self, name: str) -> ManagedLoop | None:
        """The loop, None when it is not supervised."""
        return self._loops.get(name)

    def apply(
        self,
        entries: Iterable[LoopEntry],
        build: Callable[[LoopEntry], ManagedLoop | None],
        *,
        rebuild: bool = False,
    ) -> tuple[list[ManagedLoop], list[ManagedLoop]]:
        """Make the fleet what ``entries`` say; the loops that were added and those that were removed.

        A loop whose entry is unchanged stays as it is, with all that is known of it, unless ``rebuild`` is set. A
        changed entry is a removal and an addition that keeps the knowledge. ``build`` gives None for an entry that
        cannot be supervised; the others are not held up by it.
        """
        before = self._loops
        loops: dict[str, ManagedLoop] = {}
        added: list[ManagedLoop] = []
        for entry in entries:
            old = before.get(entry.loop_id)
            if old is not None and old.entry == entry and not rebuild:
                loops[entry.loop_id] = old
                continue
            loop = build(entry)
            if loop is None:
                continue
            if old is not None:
                loop.inherit(old)
            loops[entry.loop_id] = loop
            added.append(loop)
        self._loops = loops
        removed = [loop for name, loop in before.items() if self._loops.get(name) is not loop]
        return added, removed
