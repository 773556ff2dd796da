"""No token reaches a log, an artifact, a metric, an answer, an error text or a command line."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.support import TOKEN, LiveLoop, daemon, remote, sprite, write_registry
from tests.transport.misbehaving import respond, serving


async def test_tokens_stay_where_they_are(tmp_path: Path) -> None:
    manager, loop = tmp_path / "manager", LiveLoop(tmp_path / "sprite")
    api_token = "hush-hush-api-token"
    (tmp_path / "api-token").write_text(api_token)
    echo = f'{{"error": "you sent {TOKEN} as Bearer {TOKEN}"}}'.encode()
    async with sprite(loop.repo) as service, serving(respond(400, echo)) as talkative:
        write_registry(manager, remote("demo", service.url), remote("talkative", talkative.url))
        flags = ["--http-api-token-file", str(tmp_path / "api-token"), "--log-level", "debug"]
        async with daemon(manager, *flags) as running:
            async with running.session.post("/v1/loops/demo/reconcile") as response:
                assert response.status == 401
            running.session.headers["Authorization"] = f"Bearer {api_token}"
            await running.until_state("demo", "running", 0)

            async def failed() -> bool:
                return (await running.view("talkative"))["lastFailure"] is not None

            await running.until(failed)
            seen = [str((await running.json(path))[1]) for path in ("/v1/loops", "/readyz")]
            seen.append(str(await running.metrics()))
            seen.append(Path(f"/proc/{running.process.pid}/cmdline").read_bytes().decode())
            assert await running.ended() == 0
            seen += running.log_file.read_text().splitlines()
    assert any("[redacted]" in text for text in seen)
    seen += [path.read_text() for path in (manager / ".superloop" / "ops-manager").rglob("*") if path.is_file()]
    for text in seen:
        assert TOKEN not in text
        assert api_token not in text
