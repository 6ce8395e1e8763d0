"""A transcriber in a program that misbehaves: whatever its host does, nothing is lost, and nothing is left behind."""

import asyncio
import gc
import locale
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
import wave
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import psutil
import pytest
import structlog
from msgspec.structs import replace

from transcriber import ConfigError, NoModelError, Segment, SourceError, Transcriber, TranscriberError
from transcriber.adapters.engine.scripted import say, silence
from transcriber.adapters.recovery_verify import verify
from transcriber.adapters.session_folder import SessionFolder
from transcriber.adapters.session_folder_index import SessionState, state_of
from transcriber.events import Summary
from transcriber.settings import Storage
from transcriber.types import RATE

SPEECH = Path(__file__).parents[2] / "examples" / "speech.flac"
SAMPLES = 176_000  # of the speech, at 16 kHz
WORDS = ("one two three", "four five", "six")


@pytest.fixture
def scripted_engine(request):
    """Let an engine without a model, and without a process, take the place of the real one from now on."""
    return lambda: request.getfixturevalue("_scripted_engine")


@pytest.fixture
def settings_for(settings_for):
    """Make settings as elsewhere, but with a disk that is written more often, so that less is to be waited for."""
    return lambda *sources, **more: replace(settings_for(*sources, **more), storage=Storage(flush_interval=0.1))


@pytest.fixture
def words(tmp_path) -> str:
    """A source in which the scripted engine hears `WORDS`."""
    path = tmp_path / "words.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for utterance in WORDS:
            file.writeframes(say(utterance.split()) + silence(1.0))
    return f"file:{path}"


def open_files() -> set[str]:
    """Return what this process has open, by what it is."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir() if sys.platform == "linux" else ():
        with suppress(FileNotFoundError):
            found.add(f"{entry.name}:{entry.readlink()}")
    return found


@contextmanager
def nothing_left():
    """Check that what happens inside leaves no process, no thread and no open file."""
    files, threads = open_files(), set(threading.enumerate())
    yield
    gc.collect()
    assert not psutil.Process().children(recursive=True)
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
        assert not thread.is_alive(), thread
    assert not open_files() - files


def run(host, *arguments, **options):
    """Run a host in a loop of its own, and check that it leaves nothing there, nor elsewhere."""

    async def program():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        try:
            return await host(*arguments)
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}

    unhandled = []
    with nothing_left():
        try:
            return asyncio.run(program(), **options)
        finally:
            assert not unhandled


def recorded(folder: Path) -> int:
    """Return the samples in the WAV files of a session's only track."""
    return sum((path.stat().st_size - 44) // 2 for path in folder.glob("audio/*/*.wav"))


def acknowledged(transcriber) -> int:
    """Return the samples that are durable, as far as the host was told."""
    return transcriber.session.tracks[0].recording.durable


def resumed_to_the_end(settings, folder: Path) -> Transcriber:
    """Resume a session, which so has no other writer, until it verifies."""

    async def host():
        async with Transcriber(settings, resume=folder) as transcriber:
            await transcriber.wait()
        return transcriber

    transcriber = run(host)
    assert transcriber.summary.complete
    assert verify(SessionFolder.view(folder)).findings == []
    return transcriber


async def recorded_some(transcriber) -> None:
    while not transcriber.opened or not acknowledged(transcriber):  # noqa: ASYNC110 - nobody tells the outside
        await anyio.sleep(0.01)
    assert psutil.Process().children()  # so that there is something to leave behind


async def inside(transcriber) -> None:
    async with transcriber:
        await anyio.sleep_forever()


# What a host may do in the middle of a recording.


async def task_cancel(transcriber, times: int = 1) -> None:
    task = asyncio.create_task(inside(transcriber))
    await recorded_some(transcriber)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def task_cancel_twice(transcriber) -> None:
    await task_cancel(transcriber, times=2)


async def task_cancel_twice_while_leaving(transcriber) -> None:
    async def leaving() -> None:
        async with transcriber:
            await recorded_some(transcriber)
            left.set()

    left = asyncio.Event()
    task = asyncio.create_task(leaving())
    await left.wait()
    for _ in range(2):
        await asyncio.sleep(0.02)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def a_cancel_scope(transcriber) -> None:
    with anyio.CancelScope() as scope:
        async with transcriber:
            await recorded_some(transcriber)
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught


async def asyncio_timeout(transcriber) -> None:
    async def late() -> None:
        async with asyncio.timeout(None) as limit, transcriber:
            await recorded_some(transcriber)
            limit.reschedule(asyncio.get_running_loop().time())
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await late()
    # The timeout is used up: the task can be cancelled, and cancel, as before.
    assert asyncio.current_task().cancelling() == 0


async def asyncio_wait_for(transcriber) -> None:
    task = asyncio.create_task(inside(transcriber))
    await recorded_some(transcriber)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, 0)
    assert task.cancelled()


async def an_exception(transcriber) -> None:
    async with transcriber:
        await recorded_some(transcriber)
        raise ZeroDivisionError


async def a_sibling_crashes(transcriber) -> None:
    async def crash() -> None:
        await recorded_some(transcriber)
        raise ZeroDivisionError

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inside(transcriber))
        tasks.create_task(crash())


async def a_sibling_in_a_group_of_anyio_crashes(transcriber) -> None:
    async def crash() -> None:
        await recorded_some(transcriber)
        raise ZeroDivisionError

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(inside, transcriber)
        tasks.start_soon(crash)


async def sys_exit(transcriber) -> None:
    async with transcriber:
        await recorded_some(transcriber)
        sys.exit(3)


async def sys_exit_in_another_task(transcriber) -> None:
    """End the loop at once: `asyncio.run` then cancels every task, this one and those of the session."""

    async def leave() -> None:
        await recorded_some(transcriber)
        sys.exit(3)

    task = asyncio.create_task(leave())
    async with transcriber:
        await task


async def keyboard_interrupt(transcriber) -> None:
    async with transcriber:
        await recorded_some(transcriber)
        raise KeyboardInterrupt


async def ctrl_c(transcriber) -> None:
    async with transcriber:
        await recorded_some(transcriber)
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()


CANCELS = (
    task_cancel,
    task_cancel_twice,
    task_cancel_twice_while_leaving,
    a_cancel_scope,
    asyncio_timeout,
    asyncio_wait_for,
)


def check_kept(transcriber, settings) -> None:
    """Check that what was acknowledged is there, that nobody has the session, and that it can be finished."""
    assert transcriber.summary is None
    assert state_of(transcriber.folder) is SessionState.UNFINISHED
    samples = recorded(transcriber.folder)
    assert samples >= acknowledged(transcriber) > 0
    resumed_to_the_end(settings, transcriber.folder)
    assert recorded(transcriber.folder) == samples


@pytest.mark.parametrize("host", CANCELS)
def test_a_cancelled_host_gets_its_cancel_and_what_was_recorded_is_kept(host, settings_for, scripted_engine):
    transcriber = Transcriber(settings_for(pace="realtime"))
    run(host, transcriber)
    scripted_engine()
    check_kept(transcriber, settings_for())


@pytest.mark.parametrize(
    ("host", "error"),
    [
        (an_exception, ZeroDivisionError),
        (a_sibling_crashes, ExceptionGroup),
        (a_sibling_in_a_group_of_anyio_crashes, ExceptionGroup),
        (sys_exit, SystemExit),
        (sys_exit_in_another_task, SystemExit),
        (keyboard_interrupt, KeyboardInterrupt),
        (ctrl_c, KeyboardInterrupt),
    ],
)
def test_an_error_of_the_host_comes_out_as_it_is_and_what_was_recorded_is_kept(
    host, error, settings_for, scripted_engine
):
    transcriber = Transcriber(settings_for(pace="realtime"))
    with pytest.raises(error) as raised:
        run(host, transcriber)
    if isinstance(raised.value, ExceptionGroup):
        assert [type(part) for part in raised.value.exceptions] == [ZeroDivisionError]
    scripted_engine()
    check_kept(transcriber, settings_for())


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("after", [0.0, 0.02, 0.06, 0.1])
def test_a_cancel_during_the_opening_leaves_nothing_open(settings_for, scripted_engine, times, after):
    async def host():
        task = asyncio.create_task(inside(transcriber))
        await asyncio.sleep(after)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task

    transcriber = Transcriber(settings_for(pace="realtime"))
    run(host)
    scripted_engine()
    for folder in Path(settings_for().session.folder).glob("*"):
        resumed_to_the_end(settings_for(), folder)


background: list[asyncio.Task[None]] = []


async def main_returns(transcriber) -> None:
    """Leave a task behind, for `asyncio.run` to cancel."""
    background.append(asyncio.create_task(inside(transcriber)))
    await recorded_some(transcriber)


async def never_left(transcriber) -> None:
    """Leave all the tasks of the session behind: `asyncio.run` cancels each of them, at once and natively."""
    await transcriber.__aenter__()
    await recorded_some(transcriber)


@pytest.mark.parametrize("host", [main_returns, never_left])
def test_the_end_of_the_loop_ends_a_session_that_nobody_left(host, settings_for, scripted_engine):
    transcriber = Transcriber(settings_for(pace="realtime"))
    with nothing_left():
        asyncio.run(host(transcriber))
    scripted_engine()
    check_kept(transcriber, settings_for())


@pytest.mark.parametrize("waits_for", ["the tasks", "the session"])
def test_a_host_that_cancels_every_task_but_its_own_is_told_on_leaving(settings_for, scripted_engine, waits_for):
    transcriber = Transcriber(settings_for(pace="realtime"))

    async def host():
        async with transcriber:
            await recorded_some(transcriber)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await (asyncio.wait(others) if waits_for == "the tasks" else transcriber.wait())

    with pytest.raises(TranscriberError, match="the session was cancelled; finish it with: transcriber resume"):
        run(host)
    scripted_engine()
    check_kept(transcriber, settings_for())


async def another_task(transcriber) -> None:
    await asyncio.create_task(transcriber.__aenter__())
    await recorded_some(transcriber)
    with pytest.raises(RuntimeError, match="by the task that entered it"):
        await transcriber.__aexit__(None, None, None)


async def another_task_while_the_first_goes_on(transcriber) -> None:
    async def first():
        await transcriber.__aenter__()
        await over.wait()

    over = asyncio.Event()
    task = asyncio.create_task(first())
    await recorded_some(transcriber)
    with pytest.raises(RuntimeError, match="by the task that entered it"):
        await transcriber.__aexit__(ValueError, ValueError(), None)
    assert not task.done()
    over.set()
    await task


async def an_abandoned_generator(transcriber) -> None:
    """Leave the block when the generator is collected: the loop closes it in a task of its own."""

    async def durations():
        async with transcriber:
            while True:
                await recorded_some(transcriber)
                yield acknowledged(transcriber)

    async def consumer():
        async for _ in durations():
            break

    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    await asyncio.create_task(consumer())
    while not told:  # noqa: ASYNC110 - it is the collector who closes the generator
        await asyncio.sleep(0.01)
    assert "by the task that entered it" in str(told[0])


@pytest.mark.parametrize("host", [another_task, another_task_while_the_first_goes_on, an_abandoned_generator])
def test_to_leave_in_another_task_is_refused_by_name_and_ends_the_session(host, settings_for, scripted_engine):
    transcriber = Transcriber(settings_for(pace="realtime"))
    run(host, transcriber)
    scripted_engine()
    check_kept(transcriber, settings_for())


async def heard_by(transcriber) -> list[str]:
    async with transcriber:
        return [result.text async for result in transcriber.results() if isinstance(result, Segment)]


def check_whole(transcriber) -> None:
    assert transcriber.summary.complete
    assert verify(SessionFolder.view(transcriber.folder)).findings == []


def test_two_that_are_left_in_the_wrong_order_are_refused_by_name_and_both_end(settings_for, scripted_engine, words):
    scripted_engine()
    settings = settings_for(words)

    async def host():
        first, second = Transcriber(settings), Transcriber(settings)
        await first.__aenter__()
        await second.__aenter__()
        with pytest.raises(RuntimeError, match="after all that was entered since"):
            await first.__aexit__(None, None, None)
        await second.__aexit__(None, None, None)
        return first, second

    for transcriber in run(host):
        check_whole(transcriber)


def test_a_reader_that_leaves_in_the_middle_of_the_results_loses_nothing_for_the_session(
    settings_for, scripted_engine, words
):
    scripted_engine()

    async def host():
        async with Transcriber(settings_for(words)) as transcriber:
            async for result in transcriber.results():
                assert result.text == WORDS[0]
                break
        return transcriber

    transcriber = run(host)
    check_whole(transcriber)
    assert transcriber.summary.tracks[0].words == 6


def test_a_subscription_that_is_read_after_its_loop_is_closed_ends(settings_for, scripted_engine, words):
    scripted_engine()

    async def host():
        async with Transcriber(settings_for(words)) as transcriber:
            events, results = transcriber.events(), transcriber.results()
            await anext(events)
            await anext(results)
        return events, results

    async def rest(subscription):
        return [item async for item in subscription]

    events, results = run(host)
    assert type(run(rest, events)[-1].event) is Summary
    assert [segment.text for segment in run(rest, results)] == [*WORDS[1:]]


def test_a_reader_that_is_cancelled_in_the_middle_goes_on_where_it_was(settings_for, scripted_engine, words):
    scripted_engine()

    async def host():
        heard = []
        async with Transcriber(settings_for(words)) as transcriber:
            results = transcriber.results()
            while True:
                try:
                    heard.append((await asyncio.wait_for(anext(results), 0.001)).text)
                except TimeoutError:
                    continue
                except StopAsyncIteration:
                    return heard

    assert run(host) == [*WORDS]


def stopped_by_a_callback(transcriber, loop) -> None:
    loop.call_later(0.05, transcriber.stop)


def stopped_by_a_signal(transcriber, loop) -> None:
    loop.add_signal_handler(signal.SIGTERM, transcriber.stop)
    signal.raise_signal(signal.SIGTERM)


def stopped_by_another_thread(transcriber, loop) -> None:
    threading.Thread(target=loop.call_soon_threadsafe, args=(transcriber.stop,)).start()


@pytest.mark.skipif(sys.platform == "win32", reason="its loop takes no signal handlers")
@pytest.mark.parametrize("stop", [stopped_by_a_callback, stopped_by_a_signal, stopped_by_another_thread])
def test_a_host_may_stop_it_from_a_callback_of_its_loop(settings_for, scripted_engine, stop):
    scripted_engine()

    async def host():
        async with Transcriber(settings_for(pace="realtime")) as transcriber:
            await recorded_some(transcriber)
            stop(transcriber, asyncio.get_running_loop())
            await transcriber.wait()
            return transcriber

    transcriber = run(host)
    check_whole(transcriber)
    assert 0 < transcriber.summary.tracks[0].captured < SAMPLES


def test_one_that_fails_leaves_the_others_alone(settings_for, scripted_engine, words, cut_speech):
    scripted_engine()
    sources = words, "file:nothing-here.wav", f"file:{cut_speech}", words
    transcribers = [Transcriber(settings_for(source)) for source in sources]

    async def host():
        return await asyncio.gather(*map(heard_by, transcribers), return_exceptions=True)

    first, unopened, broken, last = run(host)
    assert first == last == [*WORDS]
    assert isinstance(unopened, ConfigError)
    assert isinstance(broken, SourceError)
    for transcriber in (transcribers[0], transcribers[2], transcribers[3]):
        check_whole(transcriber)


def test_a_host_that_blocks_its_loop_costs_time_and_no_sample(settings_for, scripted_engine):
    scripted_engine()
    transcriber = Transcriber(settings_for(pace="realtime"), duration=1.0)

    async def host():
        async with transcriber:
            await recorded_some(transcriber)
            time.sleep(0.5)  # noqa: ASYNC251 - that is what this host does
            await transcriber.wait()

    run(host)
    check_whole(transcriber)
    assert (transcriber.summary.tracks[0].captured, transcriber.summary.tracks[0].gaps) == (RATE, 0)


def eager_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop


@pytest.mark.parametrize("options", [{"debug": True}, {"loop_factory": eager_loop}], ids=["debug mode", "eager tasks"])
def test_any_loop_of_asyncio_will_do(settings_for, scripted_engine, words, options):
    scripted_engine()
    transcriber = Transcriber(settings_for(words))
    assert run(heard_by, transcriber, **options) == [*WORDS]
    check_whole(transcriber)


def test_the_loop_may_run_in_any_thread(settings_for, scripted_engine, words):
    scripted_engine()
    transcribers = [Transcriber(settings_for(words)) for _ in range(2)]
    heard = []
    with nothing_left():
        threads = [
            threading.Thread(target=lambda one=one: heard.append(asyncio.run(heard_by(one)))) for one in transcribers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert heard == [[*WORDS]] * 2


HOST = """
    import asyncio, os, sys
    from transcriber import Transcriber, load_settings

    async def main(source, folder, end):
        tracks = [{"name": "t0", "source": source}]
        given = {"session.folder": folder, "tracks": tracks, "engine.model": "small", "storage.flush_interval": 0.1}
        async with Transcriber(load_settings(None, {}, given)) as transcriber:
            while True:
                acknowledged = transcriber.session.tracks[0].recording.durable
                print(acknowledged, flush=True)
                if end == "os._exit" and acknowledged > 4_000:
                    os._exit(7)
                await asyncio.sleep(0.01)

    asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize("end", ["os._exit", signal.SIGKILL])
def test_a_host_that_dies_loses_nothing_that_was_acknowledged(settings_for, scripted_engine, end):
    folder = Path(settings_for().session.folder)
    host = psutil.Popen(
        [sys.executable, "-c", textwrap.dedent(HOST), f"file:{SPEECH}", folder, str(end)],
        stdout=subprocess.PIPE,
        text=True,
    )
    told, family = iter(host.stdout), []
    while int(next(told)) <= 4_000:
        with suppress(psutil.NoSuchProcess):
            family = host.children(recursive=True) or family
    if end != "os._exit":
        host.send_signal(end)
    last = max([0, *map(int, told)])
    host.stdout.close()
    host.wait()
    assert family
    assert not psutil.wait_procs(family, timeout=10)[1]
    [session] = folder.iterdir()
    scripted_engine()
    resumed_to_the_end(settings_for(), session)
    assert recorded(session) >= max(last, 4_000)


def of_the_host() -> dict[str, object]:
    """Return what belongs to the host alone."""
    numbers = [number for number in signal.valid_signals() if number not in {signal.SIGKILL, signal.SIGSTOP}]
    loop = asyncio.get_running_loop()
    loggers = [logging.root, *map(logging.getLogger, logging.Logger.manager.loggerDict)]
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    mask = os.umask(0)
    os.umask(mask)
    return {
        "signals": {number: signal.getsignal(number) for number in numbers},
        "wakeup": wakeup,
        "umask": mask,
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook, sys.gettrace()),
        "generators": sys.get_asyncgen_hooks(),
        "interpreter": (sys.getrecursionlimit(), sys.getswitchinterval(), gc.get_threshold(), gc.isenabled()),
        "path": list(sys.path),
        "warnings": list(warnings.filters),
        "loggers": {logger: (logger.level, list(logger.handlers), logger.disabled) for logger in loggers},
        "disabled": logging.root.manager.disable,
        "structlog": structlog.get_config(),
        "loop": (loop.get_exception_handler(), loop.get_task_factory(), loop.get_debug(), loop.slow_callback_duration),
    }


@pytest.mark.anyio
async def test_nothing_of_the_host_is_touched(settings_for, words):
    before = of_the_host()
    with suppress(NoModelError):
        async with Transcriber(settings_for(words)) as transcriber:
            within = of_the_host()
            await transcriber.wait()
    after = of_the_host()
    for seen in (within, after):
        new = {logger: state for logger, state in seen["loggers"].items() if logger not in before["loggers"]}
        assert all(state == (logging.NOTSET, [], False) for state in new.values())
        assert seen | {"loggers": before["loggers"]} == before
        assert seen["loggers"].items() >= before["loggers"].items()


@pytest.mark.anyio
async def test_nothing_is_printed_nor_logged(settings_for, words, capfd, caplog):
    with suppress(NoModelError), caplog.at_level(logging.DEBUG):
        async with Transcriber(settings_for(words)) as transcriber:
            await transcriber.wait()
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name != "asyncio" or record.levelno > logging.DEBUG]
