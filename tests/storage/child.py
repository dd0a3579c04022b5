"""What the tests do in other processes: `python child.py ACTION FOLDER`. Each attempt is a fork of its own."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from storage_kit import DAY, ITEMS, ORDERS, SELLER, TODAY, Store, items, open_store, orders

from amzigo_pipelines.errors import AmzigoError


class KillAt:
    """Ends the process with SIGKILL when the step of that number is reached."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, name: str) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def fork(run: Callable[[], None]) -> int:
    """Start a forked process that runs `run`; gives its process id."""
    process_id = os.fork()
    if process_id == 0:
        try:
            run()
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return process_id


def ended(process_id: int) -> int:
    """Wait; gives the exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])


def crash_writes(folder: Path) -> None:
    """Copies of `template`, in each of which a write was killed one step later, until one isn't killed any more."""
    for number in range(100):
        home = folder / f"crash-{number:03}"
        shutil.copytree(folder / "template", home)
        if ended(fork(lambda home=home, n=number: open_store(home, on_step=KillAt(n)).write("new"))) == 0:
            return


def crash_rotations(folder: Path) -> None:
    """As `crash_writes`, for a rotation of the PII KEK."""
    for number in range(100):
        home = folder / f"crash-{number:03}"
        shutil.copytree(folder / "template", home)
        if ended(fork(lambda home=home, n=number: open_store(home).keys.rotate("pii", KillAt(n)) and None)) == 0:
            return


def race(folder: Path) -> None:
    """Three processes make the same keys while a fourth rotates their KEK; ids are written to one file each."""
    dates = [TODAY + timedelta(days=n) for n in range(1, 21)]

    def create(number: int) -> None:
        keys = open_store(folder).keys
        ids = [keys.key_for(SELLER, "pii", day).key_id for day in dates]
        (folder / f"ids-{number}.json").write_text(json.dumps(ids))

    def rotate() -> None:
        for _ in range(5):
            open_store(folder).keys.rotate("pii")

    processes = [fork(lambda n=n: create(n)) for n in range(3)] + [fork(rotate)]
    sys.exit(max(abs(ended(process)) for process in processes))


def hold(folder: Path) -> None:
    """Hold a partition, with rows appended, until killed."""
    with open_store(folder).lake.writer(SELLER, DAY, [ORDERS], {"operation": "test"}) as writer:
        writer.append(ORDERS, *orders("held"))
        print("ready", flush=True)
        sys.stdin.read()


def full(folder: Path) -> None:
    """Write while no file may grow beyond a limit; says the error's kind and sentence."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = {"lake": 20_000, "database": 50_000}
    for name, limit in limits.items():

        def write(limit: int = limit, name: str = name) -> None:
            store = open_store(folder)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            rows = 4_000 if name == "lake" else 4
            _say(f"full {name}", lambda: _write_orders(store, rows))

        assert ended(fork(write)) == 0


def read_only(folder: Path) -> None:
    """Write into folders that may not be written; says the error's kind and sentence. Reading goes on."""
    _obey_permissions()
    lake = [folder / "lake", *(path for path in (folder / "lake").rglob("*") if path.is_dir())]
    places = {"lake": lake, "locks": [folder / "locks"], "database": [folder, folder / "control.db"]}
    for name, paths in places.items():
        modes = [path.stat().st_mode for path in paths]
        for path in paths:
            path.chmod(0o500 if path.is_dir() else 0o400)
        store = open_store(folder)
        _say(f"read-only {name}", lambda store=store: store.write("new", day=DAY - timedelta(days=1)))
        assert store.tags() == ({"old"}, {"old"})
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)


def crash_all(folder: Path) -> None:
    """Both kinds of crashes, in `writes` and `rotations`."""
    crash_writes(folder / "writes")
    crash_rotations(folder / "rotations")


def bad_disks(folder: Path) -> None:
    """A full disk under `full`, a read-only one under `read-only`."""
    full(folder / "full")
    read_only(folder / "read-only")


def _write_orders(store: Store, rows: int) -> None:
    with store.lake.writer(SELLER, DAY, [ORDERS, ITEMS], {"operation": "test"}) as writer:
        writer.append(ORDERS, *orders("new", rows))
        writer.append(ITEMS, *items("new", 4))


def _say(name: str, run: Callable[[], object]) -> None:
    try:
        run()
    except AmzigoError as error:
        print(json.dumps([name, type(error).__name__, str(error)]), flush=True)


def _obey_permissions() -> None:
    """Root may write anywhere; give that up (CAP_DAC_OVERRIDE and its kin), so that folders can be read-only."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, data) == 0
    data[0] &= ~0b1110
    assert libc.capset(header, data) == 0


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
