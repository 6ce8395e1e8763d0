"""Loading Whisper in the engine process: on CUDA only if a decode proves it, otherwise on the processor."""

# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# CTranslate2 comes without types.

import os
import time

import ctranslate2
import psutil

from transcriber.adapters.engine.messages import LoadModel, ModelLoaded
from transcriber.adapters.engine.whisper import LeanModel, Whisper
from transcriber.types import DecodeRequest

MOST_THREADS = 8
"""Above this the threads of one small decode wait for each other more than they gain."""

PROOF = DecodeRequest(bytes(2 * 16_000), final=False, language="en")
"""A second of silence: enough to load every library that a decode on CUDA needs."""


def load(request: LoadModel) -> tuple[Whisper, ModelLoaded]:
    """Load a model; on CUDA prove it by a decode.

    Raises:
        Exception: CTranslate2 cannot load it, on the device that was asked for.

    """
    began = time.perf_counter()
    threads = request.threads or _threads()
    cuda = request.device == "cuda" or (request.device == "auto" and ctranslate2.get_cuda_device_count() > 0)
    fallback = ""
    try:
        whisper = _on_cuda(request, threads) if cuda else _on_cpu(request, threads)
    except Exception as error:
        if request.device != "auto" or not cuda:
            raise
        fallback = f"CUDA does not work: {type(error).__name__}: {error}"
        whisper = _on_cpu(request, threads)
    model = whisper.model.model
    return whisper, ModelLoaded(
        request.id,
        device=model.device,
        compute_type=model.compute_type,
        threads=threads,
        multilingual=model.is_multilingual,
        took=time.perf_counter() - began,
        fallback=fallback,
    )


def _on_cuda(request: LoadModel, threads: int) -> Whisper:
    whisper = Whisper(_model(request, "cuda", "float16", threads))
    whisper.decode(PROOF)
    return whisper


def _on_cpu(request: LoadModel, threads: int) -> Whisper:
    return Whisper(_model(request, "cpu", "int8", threads))


def _model(request: LoadModel, device: str, compute_type: str, threads: int) -> LeanModel:
    asked = request.compute_type
    return LeanModel(
        request.path, device=device, compute_type=compute_type if asked == "auto" else asked, cpu_threads=threads
    )


def _threads() -> int:
    """Return the physical cores that this process may use."""
    allowed = os.process_cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed, MOST_THREADS))
