"""Reading, replacing and removing files; a reader or a crash never meets half of one.

What is replaced goes through a temporary file in the same folder and a rename. Mode bits are those of the umask. Files
of rows are grown by :mod:`opsd.storage.row_files`.
"""

from __future__ import annotations

import os
import time
from io import FileIO
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG

from opsd.contract.errors import ManagerFileError
from opsd.contract.timestamps import format_utc

Signature = tuple[int, int, int]

#: A temporary file lives for milliseconds; one that is older than this belongs to nobody, in seconds.
_ABANDONED_S = 60.0


def signature(path: str) -> Signature | None:
    """Inode, size and mtime of a regular file; None when there is none."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if S_ISREG(found.st_mode) else None


def origin(path: str) -> tuple[str | None, str | None]:
    """The owner's name (their number where they have none) and the wire time of the last change; None when missing."""
    import pwd

    try:
        found = os.stat(path)
    except OSError:
        return None, None
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        owner = str(found.st_uid)
    return owner, format_utc(found.st_mtime)


def open_regular(path: str) -> FileIO | None:
    """The file, to be read; None when there is no regular file at ``path``. A pipe there is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not S_ISREG(os.fstat(descriptor).st_mode):  # a folder could not even be wrapped in a file object
        os.close(descriptor)
        return None
    return open(descriptor, "rb", buffering=0)


def read_bytes(path: str, start: int = 0) -> bytes | None:
    """The file from byte ``start`` to its end; None when there is no regular file at ``path``."""
    file = open_regular(path)
    if file is None:
        return None
    with file:
        if start:
            file.seek(start)
        return file.readall()


def make_parent(path: str) -> None:
    """Create the folder that ``path`` lies in."""
    parent = os.path.dirname(path)
    if parent:
        os.makedirs(parent, exist_ok=True)


def replace_file(
    path: str, data: bytes, *, durable: bool = False, mode: int = 0o666, keep_owner: bool = False
) -> Signature:
    """Put ``data`` in place of ``path`` atomically; the signature of the new file.

    ``mode`` are the new file's permission bits before the umask; with ``keep_owner`` a file that is replaced hands on
    its own bits, owner and group. ``durable`` syncs content and folder entry before it returns. The temporary name is
    fixed per process, so a process that is killed leaves at most one, which its successor under the same pid or
    :func:`sweep` removes.

    Raises:
        ManagerFileError: the file cannot be written.
    """
    folder, slash, name = path.rpartition("/")
    temporary = f"{folder}{slash}.{name}.{os.getpid()}.tmp"
    if durable:  # the projections of every pass save themselves the look
        _refuse_special(path)
    try:
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        except FileNotFoundError:
            make_parent(path)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        try:
            if keep_owner:
                _take_after(descriptor, path)
            write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
        if durable:
            sync_folder(f"{folder}{slash}" or ".")
    except OSError as error:
        remove_quietly(temporary)
        raise ManagerFileError(f"cannot write {path}: {error.strerror}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns


def remove_file(path: str) -> None:
    """Remove a regular file, or a link; anything else that lies there stays.

    Raises:
        ManagerFileError: it cannot be removed.
    """
    try:
        found = os.lstat(path)
        if S_ISREG(found.st_mode) or S_ISLNK(found.st_mode):
            os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise ManagerFileError(f"cannot remove {path}: {error.strerror}") from error


def set_aside(path: str) -> str | None:
    """Keep a damaged file for inspection as ``<path>.damaged``; its new name, None when there was none."""
    kept = f"{path}.damaged"
    try:
        os.replace(path, kept)
    except FileNotFoundError:
        return None
    return kept


def remove(path: str) -> None:
    """Remove a file; one that is not there is no error.

    Raises:
        ManagerFileError: it cannot be removed.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ManagerFileError(f"cannot remove {path}: {error.strerror}") from error


def sweep(folder: str) -> None:
    """Remove temporary files that killed processes left in ``folder``.

    Files of one folder are written under different locks, also by other hosts: what is young may be somebody's.
    """
    old = time.time() - _ABANDONED_S
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") and entry.name.endswith(".tmp") and entry.stat().st_mtime < old:
                    remove_quietly(entry.path)
    except OSError:
        return


def sync_folder(folder: str) -> None:
    """Make the folder's entries survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_special(path: str) -> None:
    """A rename would put a plain file where a device, a pipe or a socket was: ``/dev/null`` for the whole host."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not (S_ISREG(mode) or S_ISLNK(mode) or S_ISDIR(mode)):
        raise ManagerFileError(f"cannot write {path}: not a regular file")


def _take_after(descriptor: int, path: str) -> None:
    """Give an open file the owner, group and permission bits of ``path``, if that exists."""
    try:
        former = os.stat(path)
    except FileNotFoundError:
        return
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (former.st_uid, former.st_gid):
        os.fchown(descriptor, former.st_uid, former.st_gid)
    os.fchmod(descriptor, S_IMODE(former.st_mode))


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``."""
    written = os.write(descriptor, data)
    while written < len(data):  # only a signal or a full disk gets here
        written += os.write(descriptor, data[written:])


def remove_quietly(path: str) -> None:
    """Remove a file that may be gone already."""
    try:
        os.unlink(path)
    except OSError:
        pass
