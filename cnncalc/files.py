"""Files as commands write them: all of it or nothing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from cnncalc.diagnostics import Diagnostic, DocumentError


def write(content: str | bytes, output: str) -> None:
    """Write a text or bytes to a file, all of it or nothing; to standard output for `-`."""
    if output == "-":
        _to_standard_output(content)
        return
    path = Path(output)
    try:
        if path.exists() and not path.is_file():  # a pipe or a device, which is written to and not replaced
            _put(path, content)
            return
        target = path.resolve()
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            _put(beside, content)
            if target.exists():
                shutil.copymode(target, beside)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DocumentError(Diagnostic("cannot-write", f"{output} cannot be written: {reason}")) from None


def _put(path: Path, content: str | bytes) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, "utf-8", newline="\n")


def _to_standard_output(content: str | bytes) -> None:
    if isinstance(content, str):
        sys.stdout.write(content)
    elif sys.stdout.isatty():
        help = "name a file: -o model.onnx"
        raise DocumentError(Diagnostic("binary-to-terminal", "this is not a text that a terminal shows", help=help))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
