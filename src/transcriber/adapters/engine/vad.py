"""Silero VAD in the engine process: streaming, and without memory of its own.

The network wants 64 samples of context before each window of 512, and carries two hidden vectors from window to window.
All three travel in the caller's `state`, so that a child that dies takes nothing along.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# ONNX Runtime comes without types.

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime

from transcriber.core.endpointing import WINDOW

CONTEXT = 64
"""Samples of the window before that the network sees again."""

HIDDEN = 128
"""Length of each of the two hidden vectors of the LSTM."""

_ASSET = Path("assets", "silero_vad_v6.onnx")


class Silero:
    """Speech probabilities from faster-whisper's copy of Silero VAD v6, on one thread."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        # An arena keeps what the largest request ever took; a minute of windows at once is rare.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(_network()), providers=["CPUExecutionProvider"], sess_options=options
        )

    def probabilities(self, pcm: bytes, state: bytes) -> tuple[list[float], bytes]:
        """Return a probability a window of PCM16, and the state for the next call. An empty state starts anew."""
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768)
        if len(samples) % WINDOW:
            raise ValueError(f"{len(samples)} samples are not whole windows of {WINDOW}")
        if not len(samples):
            return [], state
        carried = np.frombuffer(state, dtype="<f4") if state else np.zeros(CONTEXT + 2 * HIDDEN, np.float32)
        context, hidden, cell = np.split(carried, [CONTEXT, CONTEXT + HIDDEN])
        windows = samples.reshape(-1, WINDOW)
        before = np.vstack([context, windows[:-1, -CONTEXT:]])
        outputs = self._session.run(
            None,
            {
                "input": np.hstack([before, windows]),
                "h": hidden.reshape(1, 1, HIDDEN),
                "c": cell.reshape(1, 1, HIDDEN),
            },
        )
        speech, hidden, cell = (np.asarray(output, dtype=np.float32).ravel() for output in outputs)
        carried = np.concatenate([windows[-1, -CONTEXT:], hidden, cell])
        return speech.tolist(), carried.astype("<f4").tobytes()


def _network() -> Path:
    """Return the network's file. Finding faster_whisper does not import it: that costs half a second we need now."""
    spec = find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("faster-whisper is not installed")
    return Path(spec.origin).parent / _ASSET
