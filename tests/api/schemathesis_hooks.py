"""What schemathesis loads beside its own checks: streams that end, cases that are counted, and the contract's 5xx.

Not imported by the tests: it runs inside of schemathesis' process.
"""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.generation.meta import CoverageScenario

_DAEMON = "/api/v1/"
#: Streams, and what of their ``forSeconds`` they would take.
_STREAMS = {
    "/api/v1/stream": re.compile(r"[0-9]+"),
    "/ops/events/stream": re.compile(r"\s*([0-9]{1,7}(\.[0-9]{1,6})?)?\s*"),
}
_READS_A_LOOP = ("/ops/snapshot", "/ops/events", "/ops/events/stream")


@schemathesis.hook
def before_call(_context: HookContext, case: Case, **_kwargs: Any) -> None:
    """Every second loop that could be one is the one that is there, and streams that would be opened end at once."""
    loop = case.query.get("loopId")
    if case.path in _READS_A_LOOP and isinstance(loop, str) and loop.strip() and zlib.crc32(loop.encode()) % 2:
        case.query["loopId"] = "demo"
    taken = _STREAMS.get(case.path)
    value = case.query.get("forSeconds")
    if isinstance(value, list) and value:
        value = value[0]
    if taken is None or (value is not None and not isinstance(value, list | dict) and not taken.fullmatch(str(value))):
        return
    case.query["forSeconds"] = 0 if case.path.startswith(_DAEMON) else "0"


@schemathesis.check
class EveryCaseIsCounted:
    """Writes how many cases there were: requests made from the document whose answers all checks have looked at.

    What a check asks in addition, as without a token, is no case.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def after_response(self, _context: CheckContext, _response: Response, case: Case) -> None:
        """One more."""
        self._seen.add(case.id)

    def after_run(self, _context: CheckContext) -> None:
        """That was all."""
        Path(os.environ["OPSD_TEST_CASES_FILE"]).write_text(str(len(self._seen)))


@schemathesis.check
def unknown_methods_are_what_the_contract_fixes(_context: CheckContext, response: Response, case: Case) -> None:
    """The sprite service's: 501 for any method but GET and POST, and 404 for the wrong one of these (30, 6.2)."""
    if case.path.startswith(_DAEMON) or not _is_unknown_method(case):
        return
    method = response.request.method
    expected = (404, "not_found") if method in ("GET", "POST") else (501, "not_implemented")
    assert response.status_code == expected[0], f"{method} is answered {response.status_code}"
    if method != "HEAD":
        assert _error_code(response) == expected[1]


@schemathesis.check
def only_a_line_that_is_sound_is_refused_to_a_valid_request(
    _context: CheckContext, response: Response, case: Case
) -> None:
    """The sprite service's ``skipLine`` steps over a line that cannot be decoded, and over no other."""
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if not case.path.startswith(_DAEMON) and is_valid and response.status_code == 400:
        assert case.path == "/ops/events"
        assert re.match(r"line [0-9]+ of ", response.json()["error"]["message"])


@schemathesis.check
def server_errors_are_those_of_the_contract(_context: CheckContext, response: Response, case: Case) -> None:
    """The sprite service's 5xx: methods, a runtime that is not there (6.4, 6.5), and a control that failed (6.7)."""
    status = response.status_code
    if case.path.startswith(_DAEMON) or status < 500:
        return
    if status == 501:
        assert _is_unknown_method(case)
    elif status == 502:
        assert case.path in _READS_A_LOOP
        assert _error_code(response) == "runtime_error"
        assert response.json()["error"]["message"].startswith("error: ")
    else:
        body = response.json()
        assert (status, case.path) == (500, "/ops/control")
        assert (body["exitCode"], body["result"]["status"]) == (1, "failed_command")


def _is_unknown_method(case: Case) -> bool:
    data = None if case.meta is None else case.meta.phase.data
    return getattr(data, "scenario", None) is CoverageScenario.UNSPECIFIED_HTTP_METHOD


def _error_code(response: Response) -> str:
    body = response.json()
    assert body["ok"] is False
    code: str = body["error"]["code"]
    return code
