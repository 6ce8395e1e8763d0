"""What `transcriber.supervision` offers."""

from dataclasses import is_dataclass

from transcriber import supervision
from transcriber.supervision import events


def test_everything_that_is_exported_is_there_and_sorted():
    assert all(hasattr(supervision, name) for name in supervision.__all__)
    assert list(supervision.__all__) == sorted(supervision.__all__)


def test_every_event_is_exported():
    told = {name for name, one in vars(events).items() if is_dataclass(one)}
    assert len(told) > 10
    assert told <= set(supervision.__all__)
