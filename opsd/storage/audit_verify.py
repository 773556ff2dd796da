"""Whether an audit log is what was written: the pure half of the audit chain (contract 70, weakness 16).

Every chained row carries ``previousRowHash``: the SHA-256 of the line before it, without its newline; the first
chained row that of everything before it, so that rows from before the chain began are covered too. A head file beside
the log remembers how many rows there are and the hash of the last one: without it nobody could tell that the newest
rows were cut off. It is written after the rows, so a crash in between leaves rows behind the head, which is no finding.

Whoever may write the log and its head can rewrite both from one row on: keep ``lastRowHash`` somewhere else to notice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get

LINK = "previousRowHash"
#: Listed per log; a log that is broken everywhere needs no longer list.
_MAX_PROBLEMS = 50


class Problem(StrEnum):
    """What can be wrong with a log."""

    LOG_MISSING = "log_missing"
    NOT_LINKED = "row_does_not_follow"
    UNREADABLE = "row_unreadable"
    UNCHAINED = "row_not_chained"
    TAIL_MISSING = "rows_cut_off"
    TAIL_ALTERED = "last_row_altered"
    HEAD_MISSING = "head_missing"
    HEAD_UNREADABLE = "head_unreadable"
    HEAD_REBUILT = "head_was_missing"


class Head(NamedTuple):
    """What the head file remembers: rows in the log, the last one's hash (of everything, while nothing is chained),
    the log's size in bytes, and the row before which a missing head was made anew (0: none)."""

    rows: int
    last_row_hash: str
    size: int
    rebuilt_before_row: int = 0


@dataclass(slots=True)
class ChainReport:
    """The verdict on one log; rows are numbered from 1."""

    rows: int = 0
    chained: int = 0
    last_row_hash: str = ""
    behind_head: int = 0
    torn_tail: bool = False
    problems: list[JsonObject] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when nothing was found."""
        return not self.problems

    def find(self, problem: Problem, row: int, message: str) -> None:
        """Note a problem."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append({"problem": problem, "row": row, "message": message})


def row_hash(line: bytes) -> str:
    """The hash of one line without its newline."""
    return hashlib.sha256(line).hexdigest()


def encode_head(head: Head) -> bytes:
    """The head file's content."""
    document = {"schemaVersion": "v1", "rows": head.rows, "lastRowHash": head.last_row_hash, "sizeBytes": head.size}
    if head.rebuilt_before_row:
        document["rebuiltBeforeRow"] = head.rebuilt_before_row
    return jsoncodec.dumps(document) + b"\n"


def decode_head(data: bytes) -> Head | None:
    """The head in a head file; None when it is none."""
    document = jsoncodec.object_in(data)
    found = (get(document, "rows"), get(document, "lastRowHash"), get(document, "sizeBytes"))
    rebuilt = get(document, "rebuiltBeforeRow") or 0
    if not isinstance(found[1], str) or not all(type(value) is int for value in (found[0], found[2], rebuilt)):
        return None
    return Head(found[0], found[1], found[2], rebuilt)


def link_of(line: bytes) -> str | None:
    """The hash that a chained row carries; None for a row that is not chained.

    Raises:
        ValueError: the line is no JSON object.
    """
    row = jsoncodec.loads(line)
    if not isinstance(row, dict):
        raise ValueError("not an object")
    link = row.get(LINK)
    return link if isinstance(link, str) else None


def verify_chain(lines: Iterable[bytes], head: Head | None, *, head_readable: bool = True) -> ChainReport:
    """Check a log, given line by line with newlines, against itself and its head.

    ``head`` None with ``head_readable`` means that there is no head file.
    """
    report = ChainReport()
    prefix = hashlib.sha256()
    hashes: dict[str, int] = {}
    previous = ""
    at_head: str | None = None
    for line in lines:
        text = line.removesuffix(b"\n")
        try:
            link = link_of(text)
        except ValueError:
            if not line.endswith(b"\n"):  # a crash in the middle of an append
                report.torn_tail = True
                break
            link = None
            if text.strip() or report.chained:
                report.find(Problem.UNREADABLE, report.rows + 1, "the line is not a JSON object")
        report.rows += 1
        if link is not None:
            _check_link(report, link, previous if report.chained else prefix.hexdigest(), hashes)
            report.chained += 1
        elif report.chained:
            report.find(Problem.UNCHAINED, report.rows, "the row was written by something that does not keep the chain")
        else:
            prefix.update(text + b"\n")
        previous = row_hash(text)
        hashes[previous] = report.rows
        report.last_row_hash = previous if report.chained else prefix.hexdigest()
        if head is not None and report.rows == head.rows:
            at_head = report.last_row_hash
    _check_head(report, head, at_head, head_readable=head_readable)
    return report


def _check_link(report: ChainReport, link: str, expected: str, hashes: dict[str, int]) -> None:
    if link == expected:
        return
    row = report.rows
    if link in hashes:
        said = f"it was written behind row {hashes[link]}: rows were inserted or their order was changed"
    else:
        said = "the row it was written behind is not here: it was edited or deleted, or the order was changed"
    report.find(Problem.NOT_LINKED, row, said)


def _check_head(report: ChainReport, head: Head | None, at_head: str | None, *, head_readable: bool) -> None:
    if not head_readable:
        report.find(Problem.HEAD_UNREADABLE, report.rows, "the head file cannot be read")
    elif head is None:
        if report.chained:
            report.find(Problem.HEAD_MISSING, report.rows, "the head file is gone: newest rows may have been cut off")
    else:
        if head.rebuilt_before_row:
            said = "the head file was missing when this row was written: rows before it may have been cut off"
            report.find(Problem.HEAD_REBUILT, head.rebuilt_before_row, said)
        if report.rows < head.rows:
            report.find(Problem.TAIL_MISSING, report.rows, f"{head.rows - report.rows} of the newest rows are gone")
        elif head.rows and at_head != head.last_row_hash:
            report.find(Problem.TAIL_ALTERED, head.rows, "the row is not the one that was written last")
        report.behind_head = max(0, report.rows - head.rows)
