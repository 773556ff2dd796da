"""What surrounds the commands of one vector: template values, files, a receiver, the sprite service."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

_TEMPLATE = re.compile(r"\{\{\s*([a-z]+)(?:\s*([+-])\s*(\d+)([smhd]))?\s*\}\}")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
#: Enough for every start and every end, in seconds.
_PATIENCE_S = 60.0


class Templates:
    """Values that templates stand for, fixed when the vector starts."""

    def __init__(self, repo: Path) -> None:
        self.now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self.values = {"repo": str(repo)}
        self._begun = time.monotonic()

    @property
    def late_s(self) -> float:
        """How long ago ``now`` was, in seconds."""
        return time.monotonic() - self._begun

    def expand(self, value: Any) -> Any:
        """``value`` with the templates in all its texts and keys replaced."""
        if isinstance(value, dict):
            return {self.expand(key): self.expand(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.expand(item) for item in value]
        return _TEMPLATE.sub(self._one, value) if isinstance(value, str) else value

    def _one(self, match: re.Match[str]) -> str:
        name, sign, count, unit = match.groups()
        if name not in ("now", "epoch"):
            return self.values[name]
        moment = self.now
        if sign:
            delta = dt.timedelta(seconds=int(count) * _UNITS[unit])
            moment = moment + delta if sign == "+" else moment - delta
        return str(int(moment.timestamp())) if name == "epoch" else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_files(root: Path, files: dict[str, Any]) -> None:
    """Write a vector's files; ``README.md`` says in which form."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content)
        elif isinstance(content, dict) and set(content) == {"jsonl"}:
            lines = (line if isinstance(line, str) else json.dumps(line) for line in content["jsonl"])
            path.write_text("".join(f"{line}\n" for line in lines))
        elif isinstance(content, dict) and set(content) == {"script"}:
            path.write_text(content["script"])
            path.chmod(0o755)
        else:
            path.write_text(json.dumps(content) + "\n")


class Receiver:
    """An HTTP endpoint that answers the scripted codes and keeps what came."""

    def __init__(self, responses: list[int]) -> None:
        self.requests: list[dict[str, Any]] = []
        owner, left = self, list(responses)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    parsed = json.loads(body)
                except ValueError:
                    parsed = body.decode("utf-8", "replace")
                headers = {key.lower(): value for key, value in self.headers.items()}
                owner.requests.append({"path": self.path, "headers": headers, "body": parsed})
                self.send_response(left.pop(0) if len(left) > 1 else left[0] if left else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *args: Any, **kwargs: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class Service:
    """The sprite service as a process, started through its door; ``url`` is where it listens."""

    def __init__(self, repo: Path, token: str, env: dict[str, str], log: Path) -> None:
        argv = [SCRIPTS / "ops-manager-sprite-service.py", "--repo", repo, "--host", "127.0.0.1"]
        argv += ["--port", "0", "--token", token]
        with log.open("wb") as output:
            self._process = subprocess.Popen([str(part) for part in argv], stdout=output, stderr=output, env=env)
        self.url = self._address(log)

    def _address(self, log: Path) -> str:
        """Where it says that it listens."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            found = re.search(r"listening on (http://\S+)\n", log.read_text())
            if found is not None:
                return found[1]
            time.sleep(0.01)
        self._process.kill()
        self._process.wait(_PATIENCE_S)
        raise AssertionError(f"the sprite service did not start: {log.read_text()[-400:]}")

    def close(self) -> None:
        """Stop it; it must end promptly."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


def http_exchange(spec: dict[str, Any]) -> tuple[int, str]:
    """Status and body of the request that a step describes."""
    body = spec.get("body")
    data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
    request = urllib.request.Request(
        spec["url"], data=data, method=spec.get("method", "GET"), headers=spec.get("headers", {})
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
