"""What `transcriber.supervision` offers."""

from typing import get_args

from transcriber import supervision


def test_everything_that_is_exported_is_there_and_sorted():
    assert all(hasattr(supervision, name) for name in supervision.__all__)
    assert list(supervision.__all__) == sorted(supervision.__all__)


def test_every_event_is_exported():
    assert {event.__name__ for event in get_args(supervision.SupervisionEvent.__value__)} <= set(supervision.__all__)
