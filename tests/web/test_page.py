"""What the page answers, asked as an ASGI app; a real server and a real browser are in the modules beside this one."""

import contextlib
import json

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from transcriber import Transcriber
from transcriber.events import Envelope
from transcriber.web.access import Access
from transcriber.web.page import StatusPage

pytestmark = pytest.mark.anyio

TOKEN = "t" * 43
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PRIVATE = ["/events", "/history", "/search?q=one", "/export/txt", "/metrics"]
THE_END = '"text":"three four"'
OPEN = ["/healthz", "/readyz", "/static/page.js", "/"]


@pytest.fixture
def known(visit):
    """Visit as a program that has the token."""

    @contextlib.asynccontextmanager
    async def open_page():
        async with visit(access=Access(TOKEN)) as (page, browser):
            browser.headers.update(BEARER)
            yield page, browser

    return open_page


async def said(page) -> list[Envelope]:
    """Wait until both things that are said are in the transcript."""
    with page._transcriber.events(after=0) as events:
        found = []
        async for envelope in events:
            found.append(envelope)
            if sum(type(one.event).__name__ == "SegmentClosed" for one in found) == 2:
                return found
    raise AssertionError("the session ended")


async def read_stream(page, until: str, after: str = "", headers=()) -> list[dict[str, str]]:
    """Read the stream as a server would, until it has told something, then leave."""
    sent, gone = [], anyio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message.get("body", b""))
        if until.encode() in b"".join(sent):
            gone.set()

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/events",
        "query_string": after.encode(),
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode()), *headers],
        "scheme": "http",
    }
    with anyio.fail_after(60):
        await page(scope, receive, send)
    messages = b"".join(sent).decode().split("\n\n")[:-1]
    return [dict(line.split(": ", 1) for line in message.split("\n")) for message in messages]


async def test_without_the_token_nothing_private_is_told(visit):
    async with visit() as (_, browser):
        for path in PRIVATE:
            answer = await browser.get(path)
            assert answer.status_code == 401
            assert "one" not in answer.text


async def test_a_ticket_is_exchanged_once_for_a_cookie_that_opens_everything(visit):
    async with visit() as (page, browser):
        assert (await browser.get("/")).status_code == 401
        ticket = page.access.ticket()
        entered = await browser.post("/enter", content=ticket)
        assert entered.status_code == 204
        assert "HttpOnly" in entered.headers["set-cookie"]
        for path in ["/", "/history", "/metrics"]:
            assert (await browser.get(path)).status_code == 200
        browser.cookies.clear()
        again = await browser.post("/enter", content=ticket)
        assert again.status_code == 401
        assert "set-cookie" not in again.headers


async def test_who_has_no_ticket_does_not_enter(visit):
    async with visit() as (_, browser):
        for content in (b"", b"x" * 43, b"\xff\xfe", b"x" * 10_000_000):
            answer = await browser.post("/enter", content=content)
            assert answer.status_code in (401, 413)
            assert "set-cookie" not in answer.headers


async def test_who_is_in_can_ask_another_browser_in(known):
    async with known() as (page, browser):
        ticket = (await browser.post("/ticket")).text
        assert page.access.redeem(ticket)
        del browser.headers["authorization"]
        assert (await browser.post("/ticket")).status_code == 401


async def test_another_host_is_refused(known):
    async with known() as (_, browser):
        for host in ("evil.example", "127.0.0.1.evil.example", "127.0.0.2:8000", "", "localhost:80:80"):
            for path in (*OPEN, *PRIVATE):
                assert (await browser.get(path, headers={"Host": host})).status_code == 403
            assert (await browser.post("/enter", headers={"Host": host})).status_code == 403


async def test_another_origin_is_refused(known):
    async with known() as (page, browser):
        for origin in ("http://evil.example", "http://127.0.0.1:9999", "null", "https://localhost"):
            for path in (*OPEN, *PRIVATE):
                assert (await browser.get(path, headers={"Origin": origin})).status_code == 403
            answer = await browser.post("/enter", content=page.access.ticket(), headers={"Origin": origin})
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers


async def test_what_a_browser_says_to_come_from_another_site_is_refused(known):
    async with known() as (_, browser):
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
            assert (await browser.get("/metrics", headers={"Sec-Fetch-Site": site})).status_code == status


async def test_the_names_of_this_machine_are_accepted_with_their_own_origin(known):
    async with known() as (_, browser):
        for host in ("localhost", "127.0.0.1:41234", "[::1]:8000", "[::1]"):
            headers = {"Host": host, "Origin": f"http://{host}"}
            assert (await browser.get("/metrics", headers=headers)).status_code == 200


async def test_every_answer_tells_the_browser_to_load_nothing_from_elsewhere_and_to_keep_nothing(known):
    async with known() as (_, browser):
        for path in (*OPEN, *PRIVATE[1:], "/nothing", "/static/nothing.js"):
            for more in ({}, {"Host": "evil.example"}):
                headers = (await browser.get(path, headers=more)).headers
                assert "default-src 'none'" in headers["content-security-policy"]
                assert "frame-ancestors 'none'" in headers["content-security-policy"]
                assert "unsafe" not in headers["content-security-policy"]
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["referrer-policy"] == "no-referrer"
                assert headers["cache-control"] == "no-store"
                assert not [name for name in headers if name.startswith("access-control-")], "it is for no other origin"


async def test_no_path_leads_to_another_file(known):
    async with known() as (_, browser):
        for path in (
            "/static/../page.py",
            "/static/..%2Fpage.py",
            "/static/%2e%2e%2fserver.py",
            "/static/uplot.LICENSE",
            "/static//etc/passwd",
            "/export/..%2F..%2Fetc%2Fpasswd",
            "/export/pdf",
            "/%2e%2e/%2e%2e/etc/passwd",
        ):
            assert (await browser.get(path)).status_code == 404


async def test_what_is_read_cannot_be_written_and_what_changes_something_is_no_get(known):
    async with known() as (_, browser):
        for path in (*OPEN, *PRIVATE):
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                assert (await browser.request(method, path)).status_code == 405
        for path in ("/enter", "/ticket"):
            assert (await browser.get(path)).status_code == 405


async def test_a_web_socket_is_refused(visit):
    async with visit() as (page, _):
        sent = []

        async def send(message):
            sent.append(message)

        await page({"type": "websocket", "path": "/events", "headers": []}, None, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_the_stream_tells_every_event_once_and_goes_on_where_it_was_left(known):
    async with known() as (page, _):
        expected = [envelope.seq for envelope in await said(page)]
        whole = await read_stream(page, THE_END)
        numbers = [int(message["id"]) for message in whole if "id" in message]
        assert numbers == sorted(set(numbers))
        lines = [json.loads(message["data"]) for message in whole if "id" in message]
        assert [line["seq"] for line in lines] == numbers
        segments = [line for line in lines if line["event"] == "segment"]
        assert [line["text"] for line in segments] == ["one two", "three four"]
        middle = segments[0]["seq"]
        by_query = await read_stream(page, THE_END, f"after={middle}")
        by_header = await read_stream(page, THE_END, "after=0", [(b"last-event-id", str(middle).encode())])
        for rest in (by_query, by_header):
            later = [int(message["id"]) for message in rest if "id" in message]
            assert later[0] > middle
            assert [n for n in later if n <= expected[-1]] == [n for n in numbers if middle < n <= expected[-1]]


async def test_between_events_the_stream_tells_how_the_run_is(known):
    async with known() as (page, _):
        await said(page)
        messages = await read_stream(page, '"words":4')
    [*_, board] = [json.loads(message["data"]) for message in messages if message.get("event") == "board"]
    assert board["state"] == "recording"
    assert [node["name"] for node in board["tree"]] == ["track them", "services"]
    assert board["snapshot"]["tracks"][0]["words"] == 4
    [levels, *_] = [json.loads(message["data"]) for message in messages if message.get("event") == "levels"]
    assert len(levels) == 1


async def test_the_end_of_the_run_ends_the_stream_and_says_so(script):
    async with Transcriber(script) as transcriber:
        page = StatusPage(transcriber, access=Access(TOKEN))
        async with anyio.create_task_group() as tasks:
            seen = []

            async def follow():
                seen.extend(await read_stream(page, "event: end"))

            tasks.start_soon(follow)
            await said(page)
            transcriber.stop()
    last = seen[-1]
    assert (last["event"], last["data"]) == ("end", "complete")
    assert json.loads(seen[-2]["data"])["state"] == "complete"
    assert any(json.loads(message["data"])["event"] == "summary" for message in seen if "id" in message)


async def test_a_number_that_is_none_is_refused(known):
    async with known() as (_, browser):
        for after in ("-1", "x", "1e9", "٣", "9" * 30):
            assert (await browser.get("/events", params={"after": after})).status_code == 400


async def test_the_history_has_a_column_for_each_figure(known):
    async with known() as (page, browser):
        await said(page)
        history = (await browser.get("/history")).json()
    assert len(history["at"]) == len(history["lag"]) > 5
    assert history["core_memory"][-1] > 1 << 20


async def test_what_was_said_is_found_and_downloaded(known):
    async with known() as (page, browser):
        await said(page)
        [found] = (await browser.get("/search", params={"q": "THREE"})).json()
        assert (found["track"], found["text"]) == ("them", "three four")
        assert (await browser.get("/search", params={"q": "nobody said this"})).json() == []
        assert (await browser.get("/search")).status_code == 400
        text = await browser.get("/export/txt")
        assert "one two three four" in text.text.replace("\n", " ")
        assert text.headers["content-disposition"].startswith('attachment; filename="')
        for style in ("srt", "vtt", "json", "jsonl"):
            assert "three" in (await browser.get(f"/export/{style}")).text


async def test_it_is_healthy_while_it_runs_and_ready_while_words_can_come(known):
    async with known() as (page, browser):
        del browser.headers["authorization"]
        assert (await browser.get("/healthz")).text == "ok"
        session = page._transcriber.session
        session.supply.state = "ready"
        assert (await browser.get("/readyz")).text == "ready"
        session.services.reporter.changed("capture", "waiting", "no device", track="them")
        session.supply.state = "loading"
        answer = await browser.get("/readyz")
    assert answer.status_code == 503
    assert answer.text == "the engine is loading\nthem captures nothing: it is waiting"


async def test_before_there_is_a_session_it_says_so(script):
    page = StatusPage(Transcriber(script), access=Access(TOKEN))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://localhost") as browser:
        assert (await browser.get("/metrics", headers=BEARER)).status_code == 503
        assert (await browser.get("/readyz")).status_code == 503
        assert (await browser.get("/healthz")).status_code == 200


async def test_an_app_may_mount_it_under_a_name_of_its_own(script):
    async with Transcriber(script) as transcriber:
        page = StatusPage(transcriber, hosts=["example.org"])
        app = Starlette(routes=[Mount("/status", page)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://example.org") as browser:
            entered = await browser.post("/status/enter", content=page.access.ticket())
            assert entered.headers["set-cookie"].endswith("Path=/status; HttpOnly; SameSite=Strict; Secure")
            assert (await browser.get("/status/metrics")).status_code == 200
            assert (await browser.get("/status/", headers={"Host": "127.0.0.1"})).status_code == 403
        transcriber.stop()
