"""Files as commands write them: all of a text or nothing of it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from cnncalc.diagnostics import Diagnostic, DocumentError


def write(text: str, output: str) -> None:
    """Write to a file, all of it or nothing; to standard output for `-`."""
    if output == "-":
        sys.stdout.write(text)
        return
    path = Path(output)
    try:
        if path.exists() and not path.is_file():  # a pipe or a device, which is written to and not replaced
            path.write_text(text, "utf-8")
            return
        target = path.resolve()
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            beside.write_text(text, "utf-8", newline="\n")
            if target.exists():
                shutil.copymode(target, beside)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DocumentError(Diagnostic("cannot-write", f"{output} cannot be written: {reason}")) from None
