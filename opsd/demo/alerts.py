"""Where the demo's alerts go: a webhook receiver inside it, the catalog that leads there, and what was told."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rich.text import Text

from opsd.contract import jsoncodec
from opsd.contract.values import get, printable

URL_VARIABLE = "OPSD_DEMO_ALERTS_URL"
#: Alerts that are remembered, and bytes of one that are read.
_KEPT = 100
_MAX_BYTES = 2 * 1024 * 1024

_CATALOG = {
    "schemaVersion": "v1",
    "defaultMinSeverity": "warning",
    "sinks": {"demo-desk": {"enabled": True, "type": "webhook", "urlEnv": URL_VARIABLE}},
    "routing": {"defaultSinks": ["demo-desk"], "categorySeverity": {"health_critical": "critical"}, "routes": []},
}
_STYLES = {"critical": "bold red", "warning": "yellow", "resolved": "green"}


class AlertDesk:
    """Receives from the start to :meth:`close`, on a free port of the loopback interface."""

    def __init__(self) -> None:
        self.total = 0
        self._told: deque[tuple[float, Any]] = deque(maxlen=_KEPT)
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                owner.take(self.rfile.read(min(size, _MAX_BYTES)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any, **_more: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/alerts"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def take(self, body: bytes) -> None:
        """Remember one alert; what is no JSON is counted only."""
        self.total += 1
        try:
            self._told.append((time.time(), jsoncodec.loads(body)))
        except ValueError:
            pass

    def lines(self, most: int) -> list[Text]:
        """The newest alerts, oldest of them first, one line each."""
        return [_line(at, told) for at, told in list(self._told)[-most:]]

    def write_catalog(self, path: Path) -> None:
        """Put a catalog in place that sends everything here."""
        path.write_text(json.dumps(_CATALOG, indent=2) + "\n")

    def close(self) -> None:
        """Stop receiving."""
        self._server.shutdown()
        self._server.server_close()


def _line(at: float, told: Any) -> Text:
    over = get(told, "event", "action") == "resolve"
    word = "resolved" if over else str(get(told, "event", "severity"))
    codes = get(told, "escalation", "reasonCodes")
    why = "" if over or not isinstance(codes, list) else ", ".join(str(code) for code in codes)
    clock = time.strftime("%H:%M:%S", time.localtime(at))
    loop, category = get(told, "source", "loopId"), get(told, "event", "category")
    line = Text(f"{clock}  ")
    line.append(f"{printable(word):<9}", style=_STYLES.get(word, ""))
    line.append(printable(f" {loop}: {category} {why}".rstrip()))
    return line
