"""The status page of `transcriber run`: there unless it is not wanted, and never in the way."""

import json
import re
import signal
import socket
from pathlib import Path

import httpx

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"


def link_of(run) -> re.Match[str]:
    run.until_told("status page: ")
    found = re.search(r"status page: (http://127\.0\.0\.1:\d+/)#?(\S*)", run.told)
    assert found
    return found


def test_a_log_that_is_shipped_has_the_address_and_no_ticket(start):
    run = start("run", "--source", f"file:{SPEECH}", "--model", "small", "--log-format", "json", "--format", "jsonl")
    run.until_told('"event":"status_page"')
    run.signal(signal.SIGINT)
    lines = [json.loads(line) for line in run.end().stderr.splitlines()]
    [told] = [line for line in lines if line["event"] == "status_page"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", told["url"])


def test_the_link_that_is_told_opens_the_page_once_and_the_log_never_has_it(start, tmp_path):
    log = tmp_path / "log.jsonl"
    run = start("run", "--source", f"file:{SPEECH}", "--model", "small", "--log-level", "debug", "--log-file", log)
    address, ticket = link_of(run).groups()
    with httpx.Client(base_url=address, timeout=60) as browser:
        assert browser.get("metrics").status_code == 401
        assert browser.post("enter", content=ticket).status_code == 204
        assert "transcriber_run_info" in browser.get("metrics").text
        [cookie] = browser.cookies.jar
    run.signal(signal.SIGINT)
    run.end()
    text = log.read_text()
    assert "session_opened" in text
    assert ticket not in text
    assert cookie.value is not None
    assert cookie.value not in text


def test_programs_get_a_token_from_a_file_and_the_link_has_none(start, home):
    (home / "page.toml").write_text('[status]\ntoken_file = "token"\n')
    run = start(
        "run", "--source", f"file:{SPEECH}", "--model", "small", "--config", "page.toml", "--log-format", "console"
    )
    address, ticket = link_of(run).groups()
    assert ticket == ""
    headers = {"Authorization": f"Bearer {(home / 'token').read_text().strip()}"}
    with httpx.Client(base_url=address, timeout=60) as program:
        assert program.get("metrics", headers=headers).status_code == 200
        assert program.post("enter", content=program.post("ticket", headers=headers).text).status_code == 204
    run.signal(signal.SIGINT)
    run.end()


def test_without_it_nothing_listens(start):
    run = start("run", "--source", f"file:{SPEECH}", "--model", "small", "--no-status")
    run.until_told("started")
    assert [c for c in run.process.net_connections("inet") if c.status == "LISTEN"] == []
    run.signal(signal.SIGINT)
    assert "status page" not in run.end().stderr


def test_a_port_that_is_taken_is_told_before_anything_is_recorded(transcriber, home):
    before = sorted(home.glob("recordings/*"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = transcriber("run", "--source", f"file:{SPEECH}", "--model", "small", "--status-port", port)
    ended.failed(2, f"port {port} cannot be used", "choose another --status-port, or --no-status")
    assert sorted(home.glob("recordings/*")) == before


def test_a_token_that_could_be_guessed_is_refused(transcriber, home):
    (home / "weak").write_text("secret")
    (home / "weak").chmod(0o600)
    (home / "weak.toml").write_text('[status]\ntoken_file = "weak"\n')
    ended = transcriber("run", "--source", f"file:{SPEECH}", "--model", "small", "--config", "weak.toml")
    ended.failed(2, "a token has 22 letters")
