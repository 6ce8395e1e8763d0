"""A supervised reader of a link, under any sequence of faults, against a model made of lists."""

import asyncio
from collections import Counter

import anyio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from transcriber.link import Link
from transcriber.supervision import (
    ChildFailed,
    ChildRestarting,
    ChildSpec,
    State,
    SupervisionFailed,
    Supervisor,
    SupervisorEscalated,
    Watch,
)

CAPACITY, ATTEMPTS, MAX_RESTARTS, WINDOW, DELAY, HANG = 4, 3, 5, 60.0, 0.5, 10.0
WORST = CAPACITY * ATTEMPTS * (1.1 * HANG + DELAY)
"""Seconds after which a full link of messages that all hang their reader is dealt with."""


class Reader:
    """Writes what it reads to a sink, then does what the message says."""

    def __init__(self, link, sink):
        self.link, self.sink = link, sink

    async def run(self):
        with self.link.inbox() as inbox:
            async for number, fault in inbox:
                self.sink.append(number)
                if fault == "crash":
                    raise ValueError(number)
                if fault == "hang":
                    await anyio.sleep_forever()


class SupervisedReader(RuleBasedStateMachine):
    def __init__(self, loop):
        super().__init__()
        self.loop = loop
        self.sent, self.sink, self.poison = [], [], []
        self.granted = []
        self.expected_next = None
        self.stopped = False
        self.link = Link("blocks", CAPACITY, on_poison=self.poison.append, attempts=ATTEMPTS)
        watch = Watch(pending=self.link.pending, progress=self.link.progress, timeout=HANG, on_hung=self.link.blame)
        self.supervisor = Supervisor(
            "root",
            [ChildSpec(name="reader", start=lambda: Reader(self.link, self.sink), watch=watch)],
            max_restarts=MAX_RESTARTS,
            window=WINDOW,
            delay=DELAY,
            on_event=self.hears,
        )
        self.task = loop.create_task(self.supervisor.run())
        self.lets_pass(0)

    def hears(self, event):
        """Model of the budget: after a failure, a restart if there were fewer than allowed in the window."""
        if isinstance(event, ChildFailed):
            now = self.loop.time()
            if sum(now - before <= WINDOW for before in self.granted) < MAX_RESTARTS:
                self.granted.append(now)
                self.expected_next = ChildRestarting
            else:
                self.expected_next = SupervisorEscalated
        elif self.expected_next is not None:
            assert isinstance(event, self.expected_next)
            self.expected_next = None

    def lets_pass(self, seconds):
        async def wait():
            await asyncio.sleep(seconds)
            for _ in range(20):
                await asyncio.sleep(0)

        self.loop.run_until_complete(wait())

    @property
    def alive(self):
        return not self.task.done()

    @rule(fault=st.sampled_from(["none"] * 5 + ["crash", "hang"]))
    def send(self, fault):
        message = (len(self.sent), fault)
        room = self.link.statistics().depth < CAPACITY
        if self.link.offer(message):
            self.sent.append(message)
        else:
            assert not room
        self.lets_pass(0)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 5.0, 12.0, 61.0]))
    def advance(self, seconds):
        self.lets_pass(seconds)

    @rule()
    def advance_until_all_is_dealt_with(self):
        self.lets_pass(WORST)
        assert not self.alive or self.link.statistics().depth == 0

    @precondition(lambda self: not self.stopped and len(self.sent) > 10)
    @rule()
    def stop(self):
        self.stopped = True
        self.loop.call_soon(self.supervisor.stop)
        self.lets_pass(0)
        assert not self.alive

    @invariant()
    def messages_are_read_in_order_and_none_is_skipped(self):
        assert self.sink == sorted(self.sink)
        assert list(dict.fromkeys(self.sink)) == list(range(len(set(self.sink))))

    @invariant()
    def a_good_message_is_read_once_and_a_faulty_one_until_it_is_set_aside(self):
        times = Counter(self.sink)
        for number, fault in self.sent:
            assert times[number] <= (1 if fault == "none" else ATTEMPTS)
            assert ((number, fault) in self.poison) is (
                fault != "none" and times[number] == ATTEMPTS and self.left(number)
            )

    def left(self, number):
        """Whether the reader is done with a message: a hang is one only when it was seen."""
        return number < len(self.sent) - self.link.statistics().depth

    @invariant()
    def nothing_is_lost(self):
        statistics = self.link.statistics()
        assert statistics.received == len(self.sent)
        assert statistics.set_aside == len(self.poison)
        assert statistics.handled + statistics.set_aside + statistics.depth == len(self.sent)

    @invariant()
    def it_ends_when_it_is_stopped_or_when_the_budget_is_spent_and_never_else(self):
        (child,) = self.supervisor.tree().children
        if self.alive:
            assert child.state in {State.RUNNING, State.WAITING}
        elif self.stopped:
            assert self.task.exception() is None or isinstance(self.task.exception(), SupervisionFailed)
        else:
            assert isinstance(self.task.exception(), SupervisionFailed)
            assert child.state is State.FAILED
            assert len(self.task.exception().exceptions) == MAX_RESTARTS + 1

    def teardown(self):
        self.loop.call_soon(self.supervisor.stop)
        self.lets_pass(0)
        assert not self.alive
        self.loop.close()


def test_any_sequence_of_sends_crashes_hangs_stops_and_time_agrees_with_the_model(virtual_time_loop):
    run_state_machine_as_test(
        lambda: SupervisedReader(virtual_time_loop()),
        settings=settings(
            max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
