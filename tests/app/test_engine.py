"""The engine's supply: how long it may take, and what becomes of those who wait while there is none."""

from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from transcriber.adapters.engine.client import EngineClient
from transcriber.adapters.engine.process import EngineReport
from transcriber.adapters.models import LocalModel, Origin
from transcriber.app import engine
from transcriber.app.engine import START_TIMEOUT, EngineSupply, start_timeout
from transcriber.app.reporting import SilentLog
from transcriber.errors import EngineError, NoModelError
from transcriber.settings import Settings, Supervision
from transcriber.supervision import Supervisor
from transcriber.types import DecodeRequest

LOADED = EngineReport(device="cpu", compute_type="int8", threads=1, multilingual=False, load_seconds=0.1, fallback="")


@pytest.mark.parametrize(
    "limits",
    [
        Supervision(),
        Supervision(max_restarts=0),
        Supervision(max_restarts=4, window=71.0),
        Supervision(window=52.6),
        Supervision(max_restarts=10, window=66.0, start_timeout=5.0, hang_timeout=1.0),
        Supervision(max_restarts=100, window=161.0, delay=0.5, start_timeout=0.1, hang_timeout=1.0),
    ],
)
def test_every_budget_that_the_settings_allow_is_one_that_the_engine_can_be_supervised_by(limits):
    limit = start_timeout(limits)
    assert 0 < limit <= START_TIMEOUT
    supply = EngineSupply(
        Settings().engine, EngineClient(), lambda *_: None, SilentLog(), anyio.Event(), start_timeout=limit
    )
    Supervisor("session", [supply.child()], max_restarts=limits.max_restarts, window=limits.window, delay=limits.delay)


def test_by_default_the_engine_has_its_usual_time():
    assert start_timeout(Supervision()) == START_TIMEOUT


class Processes:
    """Stands for the engine's processes: so many die, the next one lives."""

    def __init__(self, dying: int) -> None:
        self.dying = dying
        self.lives = 0

    def __call__(self, client, locate, loaded, **_):
        self.client, self.locate, self.loaded = client, locate, loaded
        return self

    async def run(self, *, task_status) -> None:
        self.lives += 1
        task_status.started()
        if self.lives <= self.dying:
            raise EngineError("it died")
        await self.locate()
        self.loaded(LOADED)
        await anyio.sleep_forever()


class World:
    """A supply under supervision, with everything that it told, and what those heard who waited for the engine."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refused: list[str] = []
        self.answered = anyio.Event()
        self.news = anyio.Event()
        self.supply = EngineSupply(Settings().engine, EngineClient(), self._changed, SilentLog(), anyio.Event())

    def _changed(self, state: str, reason: str) -> None:
        self.told.append(state)
        self.reason = reason
        self.news.set()
        self.news = anyio.Event()

    async def wait_for(self, state: str) -> None:
        with anyio.fail_after(60):
            while self.told[-1:] != [state]:
                await self.news.wait()

    async def decode(self) -> None:
        try:
            await self.supply.client.decode(DecodeRequest(bytes(2), final=True))
        except EngineError as error:
            self.refused.append(str(error))
            self.answered.set()


@asynccontextmanager
async def supplied(world: World, max_restarts: int = 1):
    supervisor = Supervisor(
        "services", [world.supply.child()], max_restarts=max_restarts, delay=0.0, on_event=world.supply.supervised
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        tasks.start_soon(world.decode)
        yield
        tasks.cancel_scope.cancel()


@pytest.fixture
def processes(monkeypatch):
    """Let so many processes of the engine die, and no model be missing."""
    monkeypatch.setattr(engine, "RETRY", 0.01)
    model = LocalModel("tiny.en", Path("model"), Origin.FOLDER, english_only=True)

    async def locate(*_):
        return model

    monkeypatch.setattr(engine.models, "locate", locate)

    def arrange(dying: int) -> Processes:
        made = Processes(dying)
        monkeypatch.setattr(engine, "EngineProcess", made)
        return made

    return arrange


@pytest.mark.anyio
async def test_an_engine_that_failed_too_often_is_tried_again_while_something_is_recorded(processes):
    made = processes(5)
    world = World()
    async with supplied(world):
        await world.wait_for("ready")
        assert made.lives == 6, "two at a time: one, and one restart"
        assert world.told == ["absent", "restarting", "absent", "restarting", "loading", "ready"]
        assert world.supply.error is None
        assert world.refused == []


@pytest.mark.anyio
async def test_once_nothing_more_is_captured_who_waits_for_an_engine_that_is_away_is_told(processes):
    made = processes(99)
    world = World()
    async with supplied(world):
        await world.wait_for("absent")
        assert "it died; it is tried again in" in world.reason
        assert world.refused == []
        world.supply.captured.set()
        with anyio.fail_after(60):
            await world.answered.wait()
    assert world.refused == ["it died"]
    assert str(world.supply.error) == "it died"
    lives = made.lives
    await anyio.sleep(0.05)
    assert made.lives == lives


@pytest.mark.anyio
async def test_a_model_that_was_not_found_is_looked_for_again_while_something_is_recorded(processes, monkeypatch):
    processes(0)
    found = engine.models.locate
    tries = []

    async def locate(*arguments):
        tries.append(arguments)
        if len(tries) < 4:
            raise NoModelError("no network")
        return await found(*arguments)

    monkeypatch.setattr(engine.models, "locate", locate)
    world = World()
    async with supplied(world):
        await world.wait_for("ready")
    assert world.told == ["absent", "loading", "ready"]
    assert world.supply.error is None
    assert world.refused == []
