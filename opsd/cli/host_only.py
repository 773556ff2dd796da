"""The commands that work on the host where they are typed only, and why."""

from __future__ import annotations

from collections.abc import Mapping

#: Each of these is a process or a client of its own; there is nothing that a daemon could do in its place.
HOST_ONLY: Mapping[str, str] = {
    "run": "it is the daemon itself",
    "demo": "it plays recorded runs to services that it starts for that",
    "simulate": "it is a runtime and writes a loop's own files",
    "service-client": "it is itself a client, of one sprite service",
}
