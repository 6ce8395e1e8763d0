"""Finding out what a recording with these settings would meet: the computer, its disk, its devices and the model."""

from functools import partial

import anyio
import anyio.to_thread

from transcriber.adapters import models
from transcriber.adapters.devices import make_device, probe_sound
from transcriber.adapters.folder_probe import probe_folder
from transcriber.adapters.machine_probe import probe_machine
from transcriber.adapters.models import LocalModel
from transcriber.app.engine import language_of
from transcriber.app.offline import offline
from transcriber.core.diagnosis import AbsentModel, BrokenModel, Facts, LoadedModel, Model, SourceTrial
from transcriber.core.source_spec import SourceSpec, parse_source
from transcriber.errors import TranscriberError
from transcriber.plugins import schemes
from transcriber.settings import Settings
from transcriber.types import RATE, SAMPLE_BYTES, DecodeRequest, SourceKind

PATIENCE = 120.0
"""Seconds for a model to be loaded and tried: a large one comes slowly from a disk that turns."""

OPENING = 10.0
"""Seconds for a device to be opened."""

PROOF = DecodeRequest(bytes(RATE * SAMPLE_BYTES), final=False, language="en")
"""A second of silence."""


async def examine(settings: Settings) -> Facts:
    """Return what was found out. Nothing is recorded or fetched, and nothing is left behind.

    Raises:
        ConfigError: the source of a track is wrong.

    """
    specs = [parse_source(f"{track.name}={track.source}", schemes=schemes()) for track in settings.tracks]
    devices = [spec for spec in specs if spec.scheme in {SourceKind.LOOPBACK, SourceKind.MICROPHONE}]
    needed = settings.storage.least_free
    return Facts(
        machine=probe_machine(),
        folder=await anyio.to_thread.run_sync(partial(probe_folder, settings.session.place.absolute(), needed)),
        sound=await anyio.to_thread.run_sync(probe_sound),
        trials=tuple([await _try_device(spec) for spec in devices]),
        model=await _try_model(settings),
        tracks=len(specs),
    )


async def _try_device(spec: SourceSpec) -> SourceTrial:
    """Open a device, and close it again."""
    try:
        source = make_device(SourceKind(spec.scheme), spec.target)
        try:
            with anyio.fail_after(OPENING):
                form = await source.open()
        finally:
            await source.close()
    except TranscriberError as error:
        return SourceTrial(spec.track, f"{spec}: {error}", works=False)
    except TimeoutError:
        return SourceTrial(spec.track, f"{spec}: its driver does not answer", works=False)
    return SourceTrial(spec.track, f"{source.label} can be opened ({form})", works=True)


async def _try_model(settings: Settings) -> Model:
    """Load the model in a child process and decode with it, as a run does; do not fetch it."""
    try:
        found = await anyio.to_thread.run_sync(models.find, settings.engine.model, language_of(settings.engine))
        if not isinstance(found, LocalModel):
            return AbsentModel(found.name, found.size)
        began = anyio.current_time()
        async with offline(settings) as engine:
            with anyio.fail_after(PATIENCE):
                await engine.client.decode(PROOF)
            report = engine.supply.report
    except TranscriberError as error:
        return BrokenModel(str(error))
    except TimeoutError:
        return BrokenModel(f"it gave no answer in {PATIENCE:.0f} s: take a smaller one, as in --model tiny")
    if report is None:
        return BrokenModel("the engine process ended: run the command again, and see its log with --debug")
    return LoadedModel(
        name=found.name,
        origin=f"{found.origin} {found.path}",
        device=report.device,
        compute_type=report.compute_type,
        threads=report.threads,
        seconds=anyio.current_time() - began,
        fallback=report.fallback,
    )
