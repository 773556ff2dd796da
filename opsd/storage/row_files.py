"""Files of rows: they grow by whole lines, in one ``write``, and a crash never leaves a bad line inside of one.

Their newest rows are read by :mod:`opsd.storage.tail`, new ones by :mod:`opsd.storage.follow`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from stat import S_ISFIFO

from opsd.contract.errors import ManagerFileError
from opsd.storage import files
from opsd.storage.files import Signature

_TAIL_BLOCK = 8192


def append_lines(
    path: str,
    data: bytes,
    *,
    durable: bool = False,
    rotate_over: int = 0,
    mode: int = 0o666,
    is_whole: Callable[[bytes], bool] | None = None,
) -> Signature:
    """Append whole lines in one write; the signature of the file behind them.

    A torn last line (a crash, a full disk) is closed first, so that it spoils no other row; whoever is the only writer
    has it cut off instead, where it is not ``is_whole``, so that it spoils no reader either. With ``rotate_over``
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
            files.make_parent(path)
            descriptor = os.open(path, flags, mode)
        try:
            if S_ISFIFO(os.fstat(descriptor).st_mode):  # it would swallow rows until it is full, and block then
                raise ManagerFileError(f"cannot write {path}: not a regular file")
            size = os.fstat(descriptor).st_size
            if rotate_over and size > rotate_over:
                os.rename(path, f"{path}.1")
                full, descriptor = descriptor, os.open(path, flags, mode)
                os.close(full)
                size = 0
            is_torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
            if is_torn and not (is_whole is not None and _cut_torn(descriptor, size, is_whole)):
                data = b"\n" + data
            files.write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
            found = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if durable and not size:
            files.sync_folder(os.path.dirname(path) or ".")
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
        files.remove_quietly(temporary)
        os.link(path, temporary)
        os.rename(temporary, f"{path}.1")
    except OSError:
        files.remove_quietly(temporary)
        return
    files.replace_file(path, data, durable=True, keep_owner=True)


def cut_torn_line(path: str, is_whole: Callable[[bytes], bool]) -> bool:
    """Cut off an unterminated last line that is not ``is_whole``, so that it never becomes a bad line inside the file.

    A whole one that only lacks its newline is left for :func:`append_lines` to close. True when something was cut.

    Raises:
        ManagerFileError: the file cannot be read or cut.
    """
    try:
        with open(path, "r+b", buffering=0) as file:
            return _cut_torn(file.fileno(), file.seek(0, os.SEEK_END), is_whole)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ManagerFileError(f"cannot write {path}: {error.strerror}") from error


def _cut_torn(descriptor: int, end: int, is_whole: Callable[[bytes], bool]) -> bool:
    """:func:`cut_torn_line` of an open file of ``end`` bytes."""
    position, tail = end, b""
    while position > 0 and b"\n" not in tail:
        start = max(0, position - _TAIL_BLOCK)
        tail = os.pread(descriptor, position - start, start) + tail
        position = start
    torn = tail[tail.rfind(b"\n") + 1 :]
    if not torn or is_whole(torn):
        return False
    os.ftruncate(descriptor, end - len(torn))
    return True
