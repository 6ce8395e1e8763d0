"""Files as a durable store needs them: private, never followed through a link, written whole, synced for real.

Every function raises `OSError` as the system gave it. Descriptors are not shared between threads.
"""

import errno
import os
import sys
from pathlib import Path

from transcriber.errors import StorageError

if sys.platform == "darwin":
    import fcntl

FILE_MODE = 0o600
FOLDER_MODE = 0o700

_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""What Windows lacks has no counterpart there; what Unix lacks (O_BINARY) is what Unix always does."""

_REMEDY = "check the disk, or choose another folder"
_NOT_YOURS = "choose a folder that you may write to"
_FULL = "free some space, or choose another folder"
_REMEDIES = {
    errno.EACCES: _NOT_YOURS,
    errno.EPERM: _NOT_YOURS,
    errno.EROFS: _NOT_YOURS,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "the system limits the size of files (ulimit -f)",
    errno.ENOENT: "check that the folder is still there",
    errno.ENOTDIR: "name a folder",
    errno.EMFILE: "too many files are open (ulimit -n)",
}


def open_private(path: Path, *, new: bool = False) -> int:
    """Open a file to read and write; make it, readable by its owner alone, if it is not there.

    With `new` it must not be there yet. The mode holds whatever the umask.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, FILE_MODE)
    except FileExistsError:
        if new:
            raise
        return os.open(path, os.O_RDWR | _FLAGS)
    try:
        set_mode(path, FILE_MODE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def set_mode(path: Path, mode: int) -> None:
    """Take the umask's word back; on Windows the folder's access list rules."""
    if os.name == "posix":
        path.chmod(mode, follow_symlinks=False) if os.chmod in os.supports_follow_symlinks else path.chmod(mode)


def make_folder(path: Path) -> None:
    """Make a folder for its owner alone, durably. It must not be there yet."""
    path.mkdir(FOLDER_MODE)
    set_mode(path, FOLDER_MODE)
    sync_folder(path.parent)


def write_at(descriptor: int, offset: int, content: bytes) -> None:
    """Write all of `content` at `offset`; a short write is continued."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync(descriptor: int) -> None:
    """Put the content of a file, and the length needed to read it, on the medium.

    After an error the descriptor must not be synced again: the kernel has forgotten which pages were not written.
    """
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Put the names in a folder on the medium. Windows does so by itself, and has no call for it."""
    if os.name != "posix":
        return
    # A folder may be a link: where the sessions are is for their owner to say.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_there(descriptor: int, path: Path) -> None:
    """Refuse to trust a file that was removed while it is open: the system takes what is written, and drops it.

    A file whose folder was moved, or whose disk was unmounted, still is where it was.
    """
    found = os.fstat(descriptor)
    # Some network file systems count no links at all.
    if found.st_nlink == 0 and not (path.exists() and os.path.samestat(found, path.stat())):
        raise FileNotFoundError(errno.ENOENT, "it was removed while it was written", str(path))


def replace(path: Path, content: bytes) -> None:
    """Put `content` in place of a file's, whole or not at all, durably."""
    draft = path.with_name(f"{path.name}~")  # no track or session can have this name
    draft.unlink(missing_ok=True)
    descriptor = open_private(draft, new=True)
    try:
        write_at(descriptor, 0, content)
        sync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
    sync_folder(path.parent)


def explain(error: OSError, path: Path, *, doing: str = "write") -> StorageError:
    """Return an error of the system as one line for people, with the way out."""
    why = error.strerror or str(error)
    return StorageError(f"cannot {doing} {error.filename or path}: {why}; {_REMEDIES.get(error.errno or 0, _REMEDY)}")
