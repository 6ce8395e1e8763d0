"""How strong the tests of a package are: small mistakes are made in its code, and each should make a test fail.

    python benchmarks/mutants.py --package core [--module timeline]... [--jobs 2]

Each mutant runs, in a process of its own, the tests that reach its lines, the quickest first, until one fails. One in
which a test goes on for much longer than usual has hung, and counts as killed. Nothing is written to the code: what
is imported is changed. Property tests are short and not random here, so that a result can be repeated.

Prints the mutants that survive, as they are found, and at the end a table of the modules.
"""

import argparse
import ast
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import CodeType

import hypothesis
import pytest

from mutations import Mutant, mutants

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PACKAGES = {
    "core": ("transcriber/core", ("tests/core", "src/transcriber/core")),
    "supervision": ("transcriber/supervision", ("tests/supervision", "tests/link")),
}
"""What is changed, and which tests must notice."""

PRELOADED = ("anyio.pytest_plugin", "hypothesis.stateful", "msgspec.json", "numpy", "trio.testing")
"""What tests import, and no mutant changes: imported once, for all processes."""

MEMORY = 2 << 30
"""Bytes after which a mutant that never stops growing fails."""

FORK = multiprocessing.get_context("fork")
HITS = sys.monitoring.COVERAGE_ID


@dataclass
class Reach:
    """Which lines of the package each test runs through, and how long it takes."""

    lines: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)

    def tests(self, file: Path, mutant: Mutant) -> list[str]:
        """Return the tests to run, the quickest first: those that reach the lines.

        What runs at import, no test reaches: then it is the whole of each test file that reaches the module at all, or
        else all there are.
        """
        spots = {(str(file), line) for line in mutant.lines}
        chosen = [test for test, lines in self.lines.items() if lines & spots and not mutant.loading]
        if not chosen:
            near = {_file_of(test) for test, lines in self.lines.items() if any(str(file) == one for one, _ in lines)}
            chosen = [test for test in self.lines if _file_of(test) in near or not near]
        return sorted(chosen, key=self.took.__getitem__)


def _file_of(test: str) -> str:
    return test.partition("::")[0]


class Quick:
    """A pytest plugin: properties are tried on few examples, always the same, and not made smaller when they fail."""

    def pytest_configure(self) -> None:
        """Set the profile, after the one that a conftest may set."""
        hypothesis.settings.register_profile(
            "mutants",
            max_examples=25,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutants")


class Watch(Quick):
    """Finds the reach of every test."""

    def __init__(self, files: list[Path]) -> None:
        self.reach = Reach()
        self._files = {str(file) for file in files}
        self._now: set[tuple[str, int]] = set()
        sys.monitoring.use_tool_id(HITS, "mutants")
        events = sys.monitoring.events
        sys.monitoring.register_callback(HITS, events.LINE, self._line)
        sys.monitoring.register_callback(HITS, events.PY_START, lambda code, _: self._line(code, code.co_firstlineno))
        sys.monitoring.set_events(HITS, events.LINE | events.PY_START)  # a lambda has no line of its own

    def _line(self, code: CodeType, line: int) -> object:
        if code.co_filename in self._files:
            self._now.add((code.co_filename, line))
        return sys.monitoring.DISABLE

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Take note of one test."""
        self._now = self.reach.lines[item.nodeid] = set()
        sys.monitoring.restart_events()
        began = time.perf_counter()
        result = yield
        self.reach.took[item.nodeid] = time.perf_counter() - began
        return result


class Choose(Quick):
    """Runs the chosen tests in their order, and those that only this mutant has. One that hangs ends the process."""

    def __init__(self, tests: list[str], took: dict[str, float]) -> None:
        self._rank = {test: rank for rank, test in enumerate(tests)}
        self._took = took

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the others."""
        items[:] = [item for item in items if item.nodeid in self._rank or item.nodeid not in self._took]
        items.sort(key=lambda item: self._rank.get(item.nodeid, -1))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Give a test its time."""
        be_patient(self._took.get(nodeid, 1.0))


def be_patient(seconds: float) -> None:
    """Let the system kill this process if it goes on much longer than it should, be it busy or waiting."""
    signal.setitimer(signal.ITIMER_PROF, 3 + 5 * seconds)
    signal.setitimer(signal.ITIMER_REAL, 30 + 10 * seconds)


class Changed(SourceFileLoader):
    """Imports a module from a tree instead of its file."""

    def __init__(self, name: str, file: Path, tree: ast.Module) -> None:
        super().__init__(name, str(file))
        self._file, self._tree = str(file), tree

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the tree."""
        del fullname
        return compile(ast.fix_missing_locations(self._tree), self._file, "exec")

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Find the one module that is loaded here."""
        return spec_from_file_location(name, self._file, loader=self) if name == self.name else None


def run(paths: list[str], plugin: Quick) -> int:
    """Run tests quietly in this process."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    options = ["-q", "-x", "-p", "no:cacheprovider", "--assert=plain", "-o", "timeout=0"]
    return pytest.main([*options, *paths], plugins=[plugin])


def measure(files: list[Path], paths: list[str], to: Connection) -> None:
    """Run all tests of the package as it is, and send their reach."""
    os.setpgid(0, 0)
    watch = Watch(files)
    if run(paths, watch) == 0:
        to.send(watch.reach)


def attempt(file: Path, tree: ast.Module, mutant: Mutant, tests: list[str], took: dict[str, float]) -> None:
    """Run the tests on a mutant; the exit status is 0 if it survives."""
    os.setpgid(0, 0)
    be_patient(2.0)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    mutant.apply()
    name = ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    sys.meta_path.insert(0, Changed(name, file, tree))
    paths = list(dict.fromkeys(map(_file_of, tests)))
    try:
        importlib.import_module(name)
        status = int(run(paths, Choose(tests, took)))
    except BaseException:  # noqa: BLE001 - whatever it is, the mutant was noticed
        status = 1
    os._exit(status)  # a thread that hangs, or a handler of the program's end, must not keep the process


@dataclass
class Trial:
    """A mutant that is being tried."""

    file: Path
    mutant: Mutant
    process: ForkProcess

    def killed(self) -> bool:
        """Tell whether it was killed, once its process has ended; end what that has left behind."""
        self.process.join()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        return self.process.exitcode != 0


def trials(files: list[Path], reach: Reach) -> Iterator[Trial]:
    """Start one trial after the other, each when it is asked for."""
    for file in files:
        tree = ast.parse(file.read_text())
        for mutant in mutants(tree):
            process = FORK.Process(target=attempt, args=(file, tree, mutant, reach.tests(file, mutant), reach.took))
            process.start()
            yield Trial(file, mutant, process)


def tried(files: list[Path], reach: Reach, jobs: int) -> Iterator[tuple[Trial, bool]]:
    """Try all mutants, some at a time; yield each with whether it was killed."""
    source = trials(files, reach)
    running: dict[int, Trial] = {}
    while True:
        while len(running) < jobs and (trial := next(source, None)):
            running[trial.process.sentinel] = trial
        if not running:
            return
        for ended in wait(list(running)):
            trial = running.pop(ended)
            yield trial, trial.killed()


def reach_of(files: list[Path], paths: tuple[str, ...]) -> Reach:
    """Run the tests once as they are."""
    mine, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=measure, args=(files, list(paths), theirs))
    process.start()
    theirs.close()
    try:
        return mine.recv()
    except EOFError:
        raise SystemExit("the tests fail without any mutant") from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", choices=PACKAGES, required=True)
    parser.add_argument("--module", action="append", help="only this module; may be given again")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tried at the same time")
    options = parser.parse_args()
    folder, paths = PACKAGES[options.package]
    os.chdir(ROOT)
    sys.path.insert(0, str(SOURCE))
    for name in PRELOADED:
        importlib.import_module(name)
    every = sorted((SOURCE / folder).glob("*.py"))
    files = [file for file in every if not options.module or file.stem in options.module]
    counts: dict[str, list[bool]] = defaultdict(list)
    for trial, killed in tried(files, reach_of(every, paths), options.jobs):
        module, mutant = trial.file.stem, trial.mutant
        counts[module].append(killed)
        print(f"\r{module} {len(counts[module])}\033[K", end="\r", file=sys.stderr)
        if not killed:
            print(f"{trial.file.name}:{mutant.lines.start}: {mutant.before} → {mutant.after}", flush=True)
    print("\n| module | mutants | killed | survivors |\n|---|---|---|---|")
    counts["all"] = [killed for module in counts.values() for killed in module]
    for module, results in counts.items():
        share = f"{sum(results)} ({sum(results) / max(len(results), 1):.0%})"
        print(f"| `{module}` | {len(results)} | {share} | {len(results) - sum(results)} |")


if __name__ == "__main__":
    main()
