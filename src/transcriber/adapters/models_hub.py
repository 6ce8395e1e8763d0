"""Fetching a Whisper model from the hub, by pinned revision and checksum.

    python -m transcriber.adapters.models_hub NAME

prints the folder as its last line, or why not and exits with 4. The core starts it as a child (`models.locate`).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# The hub's library leaves some of its types out.

import os
import sys
from pathlib import Path

from transcriber.adapters.models import cached, verified
from transcriber.core.model_catalogue import ModelEntry, entry_named
from transcriber.errors import EngineError, NoModelError

WANTED = ("config.json", "preprocessor_config.json", "tokenizer.json", "vocabulary.*", "model.bin")
"""Files of a repository that make a model; the others are for people."""

REACH = 5.0
"""Seconds for the hub to answer at all. Its library tries for half a minute to find a name that does not exist."""


def fetch(entry: ModelEntry) -> Path:
    """Return the folder of a model's pinned revision, downloaded if it is not in the cache, with a progress bar.

    Raises:
        NoModelError: the hub cannot be reached, or has no such model any more.
        EngineError: what came is not what the catalogue knows; it was removed.

    """
    # A second of imports, and nobody needs them to read the help.
    from huggingface_hub import hf_hub_url, snapshot_download  # noqa: PLC0415 - as said
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415 - as said
    from huggingface_hub.utils import disable_progress_bars  # noqa: PLC0415 - as said

    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        _reach(hf_hub_url(entry.repository, "config.json", revision=entry.revision))
        folder = snapshot_download(entry.repository, revision=entry.revision, allow_patterns=list(WANTED))
    except (OSError, HfHubHTTPError) as error:
        raise NoModelError(f"the hub gave no {entry.name}: {_first_line(error)}") from error
    path = Path(folder)
    if not verified(path, entry.sha256):
        _remove(path / "model.bin")
        raise EngineError(f"the download of {entry.name} is not the known model and was removed: fetch it again")
    return path


def _reach(url: str) -> None:
    from huggingface_hub.utils import get_session  # noqa: PLC0415 - as said

    try:
        get_session().head(url, timeout=REACH, follow_redirects=True)
    except Exception as error:
        # Whichever HTTP library the hub's own is built on, its errors are not ours to name.
        raise OSError(_first_line(error)) from error


def _remove(file: Path) -> None:
    """Remove a file of a snapshot and the blob that it links to."""
    blob = file.resolve()
    file.unlink()
    blob.unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def main() -> int:
    """Fetch the model that the command line names."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        entry = entry_named(sys.argv[1])
        print(cached(entry) or fetch(entry))  # noqa: T201 - the answer to the parent
    except EngineError as error:
        print(error)  # noqa: T201 - as above
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
