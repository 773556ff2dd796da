"""An incremental parser of Server-Sent Events: bytes in whatever pieces in, whole frames out, bounded in memory."""

from __future__ import annotations

from typing import NamedTuple

from opsd.contract.errors import OpsError

#: What a line of data costs in memory beside its characters.
_LINE_COST = 64


class StreamError(OpsError):
    """A stream that cannot be read on."""

    default_code = "stream_failed"


class Frame(NamedTuple):
    """One dispatched event; ``data`` lines are joined by newlines, ``event`` is ``message`` when not given."""

    event: str
    data: str
    last_id: str


class SseParser:
    """Feeds on bytes.

    Args:
        max_frame_bytes: a frame or line longer than this, or of so many short lines that it takes as much memory,
            breaks the stream.
    """

    def __init__(self, max_frame_bytes: int) -> None:
        self._max = max_frame_bytes
        self._partial = bytearray()
        self._event = ""
        self._data: list[str] = []
        self._data_bytes = 0
        self._last_id = ""

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that ``chunk`` completes.

        Raises:
            StreamError: a frame grows beyond the limit.
        """
        frames: list[Frame] = []
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = bytes(self._partial) + lines[0]
            self._partial.clear()
        for line in lines:
            frame = self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if frame is not None:
                frames.append(frame)
        self._partial += rest
        if len(self._partial) + self._data_bytes > self._max:
            raise StreamError(f"a stream frame is larger than {self._max} bytes")
        return frames

    def _line(self, line: str) -> Frame | None:
        if not line:
            frame = Frame(self._event or "message", "\n".join(self._data), self._last_id) if self._data else None
            self._event, self._data, self._data_bytes = "", [], 0
            return frame
        if line.startswith(":"):
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
            self._data_bytes += len(value) + _LINE_COST
        elif name == "id" and "\0" not in value:
            self._last_id = value
        return None
