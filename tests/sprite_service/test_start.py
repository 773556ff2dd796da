"""Start, refusal to start, signals and TLS of the service, as a process."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from tests.sprite_service.support import LOOP, PATIENCE_S, TOKEN, client, command, environment, get, make_repo, service


def refused(repo: Path, *flags: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(repo, *flags), capture_output=True, text=True, timeout=PATIENCE_S, env=environment(token), check=False
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_zero(tmp_path: Path, number: signal.Signals) -> None:
    make_repo(tmp_path)
    async with service(tmp_path) as running:
        running.process.send_signal(number)
        out, _ = running.process.communicate(timeout=PATIENCE_S)
        assert (running.process.returncode, out, running.log.read_text()) == (0, "", "")


def test_without_a_token_it_does_not_start(tmp_path: Path) -> None:
    done = refused(tmp_path, token=None)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "no token: set OPS_MANAGER_SERVICE_TOKEN or --token-file, or say --allow-anonymous\n"


def test_an_empty_token_opens_nothing_to_other_hosts(tmp_path: Path) -> None:
    assert refused(tmp_path, "--token", "", "--host", "0.0.0.0").returncode == 1


async def test_told_so_it_serves_anybody(tmp_path: Path) -> None:
    make_repo(tmp_path)
    async with service(tmp_path, "--allow-anonymous", token=None) as running, client(running, None) as session:
        assert await get(session, "/healthz") == (200, {"ok": True})


async def test_a_token_file_wins_over_the_environment(tmp_path: Path) -> None:
    make_repo(tmp_path)
    (tmp_path / "token").write_text("from-the-file\n")
    async with service(tmp_path, "--token-file", str(tmp_path / "token")) as running:
        async with client(running, "from-the-file") as session:
            assert (await get(session, "/healthz"))[0] == 200
        async with client(running) as session:
            assert (await get(session, "/healthz"))[0] == 401


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--scripts-dir", "/nowhere"], "required script not found: /nowhere/ops-manager-loop-run-snapshot.sh"),
        (["--token-file", "/nowhere"], "token file cannot be read: /nowhere"),
        (["--tls-cert", "/nowhere"], "No such file or directory"),
        (["--tls-key", "/nowhere"], "--tls-key needs --tls-cert"),
    ],
)
def test_what_it_cannot_use_is_told(tmp_path: Path, flags: list[str], message: str) -> None:
    done = refused(tmp_path, *flags)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_repo_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = refused(tmp_path / "missing")
    assert (done.returncode, done.stderr) == (1, f"repo path not found: {tmp_path / 'missing'}\n")


@pytest.mark.parametrize("flags", [["--port", "x"], ["--nonsense"], ["--write-timeout", "0"], ["--max-streams", "-1"]])
def test_unusable_options_exit_with_two(tmp_path: Path, flags: list[str]) -> None:
    done = refused(tmp_path, *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: sprite-service")


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = refused(tmp_path, "--port", str(taken.getsockname()[1]))
    assert (done.returncode, done.stdout) == (1, "")
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


async def test_it_serves_https(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate of this test")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*made, "-keyout", key, "-out", certificate, "-days", "2", *subject], check=True, capture_output=True
    )
    make_repo(tmp_path / "repo")
    async with service(tmp_path / "repo", "--tls-cert", str(certificate), "--tls-key", str(key)) as running:
        assert running.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(certificate))
        async with aiohttp.ClientSession(running.url, connector=aiohttp.TCPConnector(ssl=trusted)) as session:
            headers = {"X-Ops-Token": TOKEN}
            status, body = await get(session, f"/ops/snapshot?loopId={LOOP}", headers=headers)
            assert (status, body["envelopeType"]) == (200, "loop_run_snapshot")
