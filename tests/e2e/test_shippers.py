"""A shipper and a scraper as operators run them: every line is parsed, and a query is answered."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from transcriber.adapters.logs import open_logger
from transcriber.adapters.logs.writer import FileTarget

RSYSLOG = """
global(workDirectory="{home}")
module(load="imfile" mode="inotify") module(load="mmjsonparse")
template(name="parsed" type="list") {{
  property(name="$!number") constant(value=" ") property(name="$!event") constant(value=" ")
  property(name="$!reason") constant(value="|") property(name="parsesuccess") constant(value="\\n")
}}
input(type="imfile" file="{log}" tag="transcriber" ruleset="transcriber")
ruleset(name="transcriber") {{
  action(type="mmjsonparse" cookie="")
  action(type="omfile" file="{out}" template="parsed")
}}
"""
SYSLOG_NG = """
@version: 3.38
source lines {{ file("{log}" follow-freq(0.1) flags(no-parse)); }};
parser parsed {{ json-parser(prefix(".line.")); }};
destination out {{ file("{out}" template("${{.line.number}} ${{.line.event}} ${{.line.reason}}|OK\n")); }};
log {{ source(lines); parser(parsed); destination(out); }};
"""
"""A line that it cannot parse is dropped."""

SHIPPERS = {
    "rsyslogd": (RSYSLOG, ("-n", "-f", "{home}/conf", "-i", "{home}/pid")),
    "syslog-ng": (
        SYSLOG_NG,
        ("-F", "--no-caps", "-f", "{home}/conf", "-R", "{home}/state", "-c", "{home}/control", "-p", "{home}/pid"),
    ),
}
REASON = 'a "quoted" reason, with \\ and ü and 漢字'


def until(true, process: subprocess.Popen[bytes], seconds: float = 60):
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)
    return found


@contextmanager
def running(*command: str):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("shipper", SHIPPERS)
def test_a_shipper_parses_every_line_through_rotations(shipper, tmp_path, monkeypatch):
    if shutil.which(shipper) is None:
        pytest.skip(f"no {shipper}")
    monkeypatch.setattr(FileTarget.__init__, "__defaults__", (100_000,))
    template, arguments = SHIPPERS[shipper]
    log, out = tmp_path / "log.jsonl", tmp_path / "out"
    (tmp_path / "conf").write_text(template.format(home=tmp_path, log=log, out=out))
    out.touch()
    given = 0
    with (
        open_logger(style="json", file=str(log)) as logger,
        running(shipper, *(argument.format(home=tmp_path) for argument in arguments)) as process,
    ):
        for _ in range(8):
            for _ in range(250):
                logger.info("state_changed", component="capture", number=given, before="a", after="b", reason=REASON)
                given += 1
            until(lambda all_of_it=given: out.read_bytes().count(b"\n") >= all_of_it, process)
    assert (tmp_path / "log.jsonl.3").exists(), "it was rotated several times"
    assert out.read_text().splitlines() == [f"{n} state_changed {REASON}|OK" for n in range(given)]


def test_prometheus_scrapes_a_run_and_answers_for_its_lag(start, home, tmp_path):
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus")
    (home / "scraped.toml").write_text('[status]\ntoken_file = "scraped.token"\n')
    silence = subprocess.Popen(
        [sys.executable, "-c", "import os, time\nwhile os.write(1, bytes(3200)): time.sleep(0.1)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    arguments = ("run", "--source", "them=pcm:-?rate=16000&channels=1", "--model", "small", "--config", "scraped.toml")
    run = start(*arguments, stdin=silence.stdout)
    run.until_told('"event":"status_page"')
    address = re.search(r"http://(127\.0\.0\.1:\d+)/", run.told)
    assert address
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {
                "job_name": "transcriber",
                "authorization": {"credentials_file": str(home / "scraped.token")},
                "static_configs": [{"targets": [address[1]]}],
            }
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (
        "prometheus",
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    )

    def answer():
        try:
            found = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": "transcriber_lag_seconds"})
        except httpx.TransportError:
            return None
        return found.json().get("data", {}).get("result") if found.status_code == 200 else None

    with running(*command) as prometheus:
        [result] = until(answer, prometheus)
    assert result["metric"]["track"] == "them"
    assert float(result["value"][1]) >= 0
    silence.kill()
    silence.communicate()
    run.end()
