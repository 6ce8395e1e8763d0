"""Set up everything that a command needs, in this folder alone, then run it. Needs only a Python 3 with pip.

    python3 bootstrap.py demo             transcribe the sample in examples/, live, with a real Whisper model
    python3 bootstrap.py test [ARGS...]   every check and test of the project; ARGS go to pytest
    python3 bootstrap.py run COMMAND...   any command in the environment, such as `transcriber devices`

uv is used if it is there, else installed into `.uv/`. It finds a Python 3.13 or later, or fetches one. What is
installed into `.venv/` is pinned with hashes in `requirements/`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
DEMO = ("transcriber", "run", "--source", "file:examples/speech.flac", "--language", "en")
CHECKS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("pyright",),
    ("lint-imports", "--no-cache"),
    ("deptry", "src"),
    ("codespell",),
)


def call(*command: "str | Path") -> None:
    """Run a command in the project's folder; end with its exit code if it fails."""
    path = os.pathsep.join([str(BIN), str(ROOT / ".uv" / "bin"), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(VENV), "UV_PYTHON_PREFERENCE": "system"}
    program = shutil.which(str(command[0]), path=path) or str(command[0])
    code = subprocess.call([program, *map(str, command[1:])], cwd=ROOT, env=environment)
    if code:
        sys.exit(code)


def uv() -> str:
    """Return a uv to run, which is installed here if there is none, or only one that does not start."""
    found = shutil.which("uv")
    if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode:
        found = None
    local = ROOT / ".uv" / "bin" / ("uv.exe" if os.name == "nt" else "uv")
    if found is None and not local.exists():
        print("installing uv into .uv/", file=sys.stderr)
        call(sys.executable, "-m", "pip", "install", "--quiet", "--target", ROOT / ".uv", "uv>=0.5")
    return found or str(local)


def set_up(name: str) -> None:
    """Bring `.venv` to what `requirements/NAME.txt` pins, and the package itself into it."""
    requirements = ROOT / "requirements" / f"{name}.txt"
    stamp = VENV / f".installed-{name}"
    content = requirements.read_text() + (ROOT / "pyproject.toml").read_text()
    if stamp.exists() and stamp.read_text() == content:
        return
    print("setting up .venv/", file=sys.stderr)
    tool = uv()
    if not VENV.exists():
        call(tool, "venv", "--quiet", VENV)
    call(tool, "pip", "install", "--quiet", "--python", VENV, "--require-hashes", "-r", requirements)
    call(tool, "pip", "install", "--quiet", "--python", VENV, "--no-deps", "--editable", ROOT)
    stamp.write_text(content)


def main(arguments: "list[str]") -> None:
    """Do what the first argument says."""
    match arguments:
        case ["demo", *more]:
            set_up("demo")
            call(*DEMO, *more)
        case ["test", *more]:
            set_up("test")
            for check in CHECKS if not more else ():
                call(*check)
            call("pytest", *more)
        case ["run", program, *more]:
            set_up("test")
            call(program, *more)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
