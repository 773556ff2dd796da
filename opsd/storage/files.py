"""Writing files so that a reader or a crash never meets half of one.

JSON documents are replaced through a temporary file in the same folder and a rename; JSONL rows leave in one
``write`` of whole lines. Mode bits are those of the umask.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from io import FileIO
from stat import S_IMODE, S_ISDIR, S_ISFIFO, S_ISLNK, S_ISREG

from opsd.contract.errors import ManagerFileError
from opsd.contract.timestamps import format_utc

Signature = tuple[int, int, int]

#: A temporary file lives for milliseconds; one that is older than this belongs to nobody, in seconds.
_ABANDONED_S = 60.0
_TAIL_BLOCK = 8192


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
            _write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError as error:
        remove_quietly(temporary)
        raise ManagerFileError(f"cannot write {path}: {error.strerror}") from error
    if durable:
        sync_folder(f"{folder}{slash}" or ".")
    return found.st_ino, found.st_size, found.st_mtime_ns


def append_lines(
    path: str, data: bytes, *, durable: bool = False, rotate_over: int = 0, mode: int = 0o666
) -> Signature:
    """Append whole lines in one write; the signature of the file behind them.

    A torn last line (a crash, a full disk) is closed first, so that it spoils no other row. With ``rotate_over``
    a file that has grown beyond that many bytes is moved to ``<path>.1`` first. ``mode`` are the permission bits,
    before the umask, of a file that does not exist yet.

    Raises:
        ManagerFileError: the file cannot be written.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        try:
            descriptor = os.open(path, flags, mode)
        except FileNotFoundError:
            make_parent(path)
            descriptor = os.open(path, flags, mode)
        try:
            if S_ISFIFO(os.fstat(descriptor).st_mode):  # it would swallow rows until it is full, and block then
                raise ManagerFileError(f"cannot write {path}: not a regular file")
            size = os.fstat(descriptor).st_size
            if rotate_over and size > rotate_over:
                os.rename(path, f"{path}.1")
                os.close(descriptor)
                descriptor = os.open(path, flags, mode)
                size = 0
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                data = b"\n" + data
            _write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if durable and not size:
            sync_folder(os.path.dirname(path) or ".")
    except OSError as error:
        raise ManagerFileError(f"cannot write {path}: {error.strerror}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns


def begin_anew(path: str, data: bytes) -> None:
    """Keep a log as ``<path>.1`` and put ``data`` in its place, synced; a crash leaves the old log or the new one.

    Nothing happens where the old one cannot be kept: on a file system without links.

    Raises:
        ManagerFileError: the new one cannot be written.
    """
    folder, slash, name = path.rpartition("/")
    temporary = f"{folder}{slash}.{name}.1.{os.getpid()}.tmp"
    try:
        remove_quietly(temporary)
        os.link(path, temporary)
        os.rename(temporary, f"{path}.1")
    except OSError:
        remove_quietly(temporary)
        return
    replace_file(path, data, durable=True, keep_owner=True)


def cut_torn_line(path: str, is_whole: Callable[[bytes], bool]) -> bool:
    """Cut off an unterminated last line that is not ``is_whole``, so that it never becomes a bad line inside the file.

    A whole one that only lacks its newline is left for :func:`append_lines` to close. True when something was cut.

    Raises:
        ManagerFileError: the file cannot be read or cut.
    """
    try:
        with open(path, "r+b", buffering=0) as file:
            end = position = file.seek(0, os.SEEK_END)
            tail = b""
            while position > 0 and b"\n" not in tail:
                start = max(0, position - _TAIL_BLOCK)
                tail = os.pread(file.fileno(), position - start, start) + tail
                position = start
            torn = tail[tail.rfind(b"\n") + 1 :]
            if not torn or is_whole(torn):
                return False
            os.ftruncate(file.fileno(), end - len(torn))
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ManagerFileError(f"cannot write {path}: {error.strerror}") from error


def last_complete_line(path: str) -> bytes:
    """The last newline-terminated line of a file, empty when there is none or it is empty. Reads only the tail."""
    file = open_regular(path)
    if file is None:
        return b""
    with file:
        position = end = file.seek(0, os.SEEK_END)
        tail = b""
        while position > 0:
            start = max(0, position - 8192)
            tail = os.pread(file.fileno(), position - start, start) + tail
            position = start
            complete = tail.rfind(b"\n")
            cut = tail.rfind(b"\n", 0, complete) if complete > 0 else -1
            if cut >= 0 or (complete >= 0 and position == 0):
                return tail[cut + 1 : complete]
            if end - position > 16 * 1024 * 1024:
                break
    return b""


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


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):  # only a signal or a full disk gets here
        written += os.write(descriptor, data[written:])


def remove_quietly(path: str) -> None:
    """Remove a file that may be gone already."""
    try:
        os.unlink(path)
    except OSError:
        pass
