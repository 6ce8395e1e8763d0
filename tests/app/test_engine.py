import pytest

from transcriber.adapters.engine.client import EngineClient
from transcriber.app.engine import START_TIMEOUT, EngineSupply, start_timeout
from transcriber.app.reporting import SilentLog
from transcriber.settings import Settings, Supervision
from transcriber.supervision import Supervisor


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
    supply = EngineSupply(Settings().engine, EngineClient(), lambda *_: None, SilentLog(), start_timeout=limit)
    children = [supply.child()]
    Supervisor("session", children, max_restarts=limits.max_restarts, window=limits.window, delay=limits.delay)


def test_by_default_the_engine_has_its_usual_time():
    assert start_timeout(Supervision()) == START_TIMEOUT
