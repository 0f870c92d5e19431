"""A report as CSV (RFC 4180): a row a layer, exact numbers without separators, no total row."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from cnncalc.render.columns import COLUMNS, Column, cells, with_conventions
from cnncalc.report import Report


def document(reports: Sequence[Report], columns: Sequence[Column] | None = None) -> str:
    """With several reports a first column, `network`, says which a row is of."""
    conventions = reports[0].totals.counted
    chosen = list(columns) if columns is not None else with_conventions(COLUMNS, conventions)
    several = len(reports) > 1
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*(["network"] if several else []), *[column.key for column in chosen]])
    for report in reports:
        for row in report.layers:
            writer.writerow([*([report.source] if several else []), *cells(row, report, chosen)])
    return out.getvalue()
