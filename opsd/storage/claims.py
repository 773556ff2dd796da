"""Files of an outbox, claimed by moving them, and kept for good (contract 97, section 4; weaknesses 2, 7, 8 and 9).

``<claims>/inflight`` holds what is being worked on, ``processed`` and ``rejected`` what is done. A file is only ever
moved, within one file system, and never onto another: whatever dies when, it is in exactly one place and whole.

Whoever may write to the outbox is not trusted. Every step into it refuses symbolic links, so that a folder that is
swapped for a link meanwhile cannot make the bridge take files from elsewhere, and pipes and devices are never read.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, NamedTuple

from opsd.contract.errors import ManagerFileError
from opsd.storage import files
from opsd.storage.line_reader import LineReader

INFLIGHT: Final = "inflight"

_CLAIM = re.compile(r"(?P<file>.*)\.claim\.(?P<t>[0-9]{1,30})\.(?P<pid>[0-9]{1,20})", re.DOTALL)
#: A longer path is left alone: nobody could be sure to move the file on from there.
_MAX_PATH_BYTES = 3500
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Listing(NamedTuple):
    """Regular files below a folder by their path in it, and how many other things were left alone, by kind."""

    names: list[str]
    ignored: Counter[str]


class ClaimsFolder:
    """The outbox and the claims taken from it. Names are paths relative to the outbox or to a sub-folder of the claims.

    Everything but :meth:`prepare` is for one process at a time; who calls holds the lock of the claims folder.
    """

    def __init__(self, outbox: str, claims: str, done: Sequence[str]) -> None:
        self.outbox = outbox
        self.claims = claims
        self._folders = (INFLIGHT, *done)

    def prepare(self) -> None:
        """Create the folders.

        Raises:
            ManagerFileError: they cannot be created, or a file could not be moved between outbox and claims.
        """
        devices = set()
        try:
            for folder in self._folders:
                path = f"{self.claims}/{folder}"
                os.makedirs(path, exist_ok=True)
                if os.path.islink(path):
                    raise ManagerFileError(f"{path} must be a folder, not a link to one")
                devices.add(os.lstat(path).st_dev)
        except OSError as error:
            raise ManagerFileError(f"cannot create {path}: {error.strerror}") from error
        try:
            outbox = os.lstat(self.outbox)
            if stat.S_ISDIR(outbox.st_mode):
                devices.add(outbox.st_dev)
        except (FileNotFoundError, NotADirectoryError):
            pass
        if len(devices) > 1:
            raise self._other_device(self.outbox)

    def candidates(self) -> Listing:
        """Files of the outbox whose name ends in ``.jsonl``, in the order of their paths' bytes."""
        names, ignored = _regular_files(self.outbox, lambda name: name.endswith(".jsonl"))
        return Listing(sorted(names, key=os.fsencode), ignored)

    def leftovers(self) -> Listing:
        """Claims that nobody finished, oldest first."""
        names, ignored = _regular_files(f"{self.claims}/{INFLIGHT}", lambda name: bool(_CLAIM.fullmatch(name)))
        return Listing(sorted(names, key=_age_order), ignored)

    def claim(self, name: str, suffix: str) -> str | None:
        """Move a candidate to ``inflight/<name>.claim.<suffix>``; its claim name, None when it cannot be had.

        Raises:
            ManagerFileError: it lies on another file system.
        """
        claim_name = f"{name}.claim.{suffix}"
        target = f"{self.claims}/{INFLIGHT}/{claim_name}"
        try:
            if len(os.fsencode(target)) > _MAX_PATH_BYTES:
                return None
            with _open_parent(self.outbox, name) as (folder, last):
                if not stat.S_ISREG(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode):
                    return None
                os.makedirs(os.path.dirname(target), exist_ok=True)
                if os.path.lexists(target):
                    return None
                os.rename(last, target, src_dir_fd=folder)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise self._other_device(f"{self.outbox}/{name}") from error
            return None
        return claim_name

    @contextmanager
    def reader(self, claim_name: str, *, max_line_bytes: int, max_bytes: int) -> Iterator[LineReader]:
        """Reads a claim in flight.

        Raises:
            OSError: it is gone or no regular file any more, or cannot be read.
        """
        with _open_parent(f"{self.claims}/{INFLIGHT}", claim_name) as (folder, last):
            descriptor = os.open(last, _FILE, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", claim_name)
            yield LineReader(descriptor, max_line_bytes=max_line_bytes, max_bytes=max_bytes)
        finally:
            os.close(descriptor)

    def size(self, claim_name: str) -> int | None:
        """Bytes of a claim in flight now; None when it is gone."""
        try:
            return os.lstat(f"{self.claims}/{INFLIGHT}/{claim_name}").st_size
        except OSError:
            return None

    def free_target(self, claim_name: str, folder: str) -> str:
        """Where :meth:`finish` can put a claim: a path below the claims where nothing is, nor a file on the way."""
        target, number = f"{folder}/{claim_name}", 1
        while not self._is_free(target):
            number += 1
            target = f"{folder}/again.{number}/{claim_name}"
        return target

    def _is_free(self, target: str) -> bool:
        path = f"{self.claims}/{target}"
        if os.path.lexists(path):
            return False
        while not os.path.lexists(path := os.path.dirname(path)):
            pass
        return os.path.isdir(path) and not os.path.islink(path)

    def finish(self, claim_name: str, target: str, size: int) -> None:
        """Move a claim out of ``inflight`` to ``target``, which :meth:`free_target` gave.

        One whose size is not what was read of it stays, for the next run to read on: its producer holds it open. So
        does one whose target is taken by now. A power loss may take the move back; the claim is a leftover then, and
        its envelopes are known.

        Raises:
            ManagerFileError: it cannot be moved.
        """
        path, done = f"{self.claims}/{INFLIGHT}/{claim_name}", f"{self.claims}/{target}"
        try:
            if os.lstat(path).st_size != size or os.path.lexists(done):
                return
            os.makedirs(os.path.dirname(done), exist_ok=True)
            os.rename(path, done)
            if os.lstat(done).st_size != size:  # written between the look and the move
                os.rename(done, path)
        except OSError as error:
            raise ManagerFileError(f"cannot move {claim_name} to {done}: {error.strerror}") from error

    def drop_finished(self, before_ns: int, limit: int) -> int:
        """Delete finished files that were claimed before a moment, in nanoseconds since 1970; how many it were.

        At most ``limit``, oldest first; those that stay are found again by the next run.
        """
        found = [
            (*_age_order(name), f"{self.claims}/{folder}/{name}")
            for folder in self._folders[1:]
            for name in _regular_files(f"{self.claims}/{folder}", lambda name: bool(_CLAIM.match(name))).names
        ]
        old = sorted(entry for entry in found if entry[0] < before_ns)[:limit]
        for *_, path in old:
            files.remove(path)
        return len(old)

    @staticmethod
    def _other_device(path: str) -> ManagerFileError:
        return ManagerFileError(f"outbox and claims must lie on one file system, which {path} does not")


def _age_order(claim_name: str) -> tuple[int, int, bytes]:
    match = _CLAIM.match(claim_name)
    if match is None:  # cannot be: only such names are listed
        return 0, 0, os.fsencode(claim_name)
    return int(match["t"]), int(match["pid"]), os.fsencode(match["file"])


def _regular_files(root: str, wanted: Callable[[str], bool]) -> Listing:
    """Regular files at any depth whose path in ``root`` is wanted; links are not followed, nor is ``root`` as one."""
    names: list[str] = []
    ignored: Counter[str] = Counter()
    try:
        if os.path.islink(root):
            return Listing([], Counter(symlinks=1))
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(f"{root}/{folder}") as entries:
                    for entry in entries:
                        name = f"{folder}{entry.name}"
                        if entry.is_symlink():
                            ignored["symlinks"] += 1
                        elif entry.is_dir(follow_symlinks=False):
                            folders.append(f"{name}/")
                        elif not entry.is_file(follow_symlinks=False):
                            ignored["special"] += 1
                        elif wanted(name):
                            names.append(name)
            except OSError:
                if folder:
                    ignored["unreadable"] += 1
                else:
                    raise
    except (FileNotFoundError, NotADirectoryError):
        pass
    return Listing(names, ignored)


@contextmanager
def _open_parent(root: str, name: str) -> Iterator[tuple[int, str]]:
    """A descriptor of the folder that ``name`` lies in, and its last part; no step below ``root`` follows a link."""
    *parents, last = name.split("/")
    with ExitStack() as stack:
        descriptor = os.open(root, _FOLDER)
        stack.callback(os.close, descriptor)
        for parent in parents:
            descriptor = os.open(parent, _FOLDER, dir_fd=descriptor)
            stack.callback(os.close, descriptor)
        yield descriptor, last
