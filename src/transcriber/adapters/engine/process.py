"""One life of the engine child: start it, connect the client, load the model, watch it, and raise when it is gone."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process, TaskStatus

from transcriber.adapters import child_process
from transcriber.adapters.engine.client import EngineClient
from transcriber.adapters.engine.life import Life, Pulse
from transcriber.adapters.engine.messages import LoadModel, ModelLoaded
from transcriber.errors import EngineError

WORKER = "transcriber.adapters.engine.worker"

REAP = 5.0
"""Seconds to wait for a killed process; one that hangs in a driver cannot be waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Where Whisper runs. `auto` proves CUDA by a decode and falls back to the processor; 0 threads: choose."""

    device: str = "auto"
    compute_type: str = "auto"
    threads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """What was loaded. `fallback` says why it is not what was asked for; empty if it is."""

    device: str
    compute_type: str
    threads: int
    multilingual: bool
    load_seconds: float
    fallback: str


class EngineProcess:
    """Runs the engine child. `run` is one life of it, to be supervised; the object remembers what a life taught.

    `locate` gives the folder of the model, and may take long (a download): it is called when the child is up and
    already answers questions about speech. `loaded` is told what was loaded.
    """

    def __init__(
        self,
        client: EngineClient,
        locate: Callable[[], Awaitable[Path]],
        loaded: Callable[[EngineReport], None],
        *,
        hardware: Hardware | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        self._client = client
        self._locate = locate
        self._loaded = loaded
        self._hardware = hardware or Hardware()
        self._pulse = pulse or Pulse()
        self._died_loading = False

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run one child until it ends; report `started` when it answers questions about speech. Never returns.

        Raises:
            EngineError: the child ended, hung, or could not load the model; its last words are in the notes.
            NoModelError: `locate` found none.

        """
        life = Life(await _spawn(), self._client, self._pulse)
        reason = "the engine was stopped"
        try:
            error = await life.run(self._load, task_status)
            reason = str(error)
        finally:
            self._client.disconnected(reason)
            await _reap(life.process)
        self._died_loading |= life.loading
        if life.stderr:
            error.add_note("last lines of its stderr:\n" + "\n".join(life.stderr))
        raise error

    async def _load(self, life: Life) -> None:
        path = await self._locate()
        hardware = self._hardware
        # A missing cuDNN aborts the process instead of raising: the child that died so was the proof.
        suspected = self._died_loading and hardware.device == "auto"
        device = "cpu" if suspected else hardware.device
        answer = await life.load(LoadModel(0, str(path), device, hardware.compute_type, hardware.threads))
        if not isinstance(answer, ModelLoaded):
            raise EngineError(f"cannot load the model in {path}: {answer.reason}")
        why = "the process died while it loaded the model; CUDA is suspected" if suspected else answer.fallback
        self._loaded(
            EngineReport(
                device=answer.device,
                compute_type=answer.compute_type,
                threads=answer.threads,
                multilingual=answer.multilingual,
                load_seconds=answer.took,
                fallback=why,
            )
        )
        self._client.model_loaded()


async def _spawn() -> Process:
    try:
        env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        return await child_process.start(WORKER, env=env)
    except OSError as error:
        raise EngineError(f"cannot start the engine process: {error}") from error


async def _reap(process: Process) -> None:
    """Leave neither a process nor a pipe behind. The child holds nothing that is worth a farewell."""
    with anyio.move_on_after(REAP, shield=True):
        if process.returncode is None:
            process.kill()
        await process.aclose()
