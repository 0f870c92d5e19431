"""`cnncalc schema`: the JSON Schema of documents, by which editors complete and check them."""

from __future__ import annotations

from cnncalc.cli.export import Output
from cnncalc.files import write


def schema(output: Output = "-") -> None:
    """The JSON Schema of documents, for editors; docs/schema.md says how to use it.

    It refuses what can be refused without computing anything. `cnncalc check` refuses the rest.
    """
    import json

    from cnncalc.language.schema import schema

    write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", output)
