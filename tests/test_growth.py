"""Limits on what a change may cost: what they mean, when they are exceeded, and what is none."""

from __future__ import annotations

from fractions import Fraction

import pytest

import cnncalc
from cnncalc.diagnostics import DocumentError, render
from cnncalc.diff import Change, change, diff, spans
from cnncalc.figures import QUANTITIES, figures
from cnncalc.growth import hold, limit


@pytest.mark.parametrize(
    ("text", "old", "new", "exceeded"),
    [
        # percents of what it was
        ("macs>+5%", 1000, 1050, False),
        ("macs>+5%", 1000, 1051, True),
        ("macs>=+5%", 1000, 1050, True),
        ("macs>=+5%", 1000, 1049, False),
        ("macs>+5%", 1000, 1, False),
        ("macs>-5%", 1000, 950, False),
        ("macs>-5%", 1000, 949, True),
        ("macs>=-5%", 1000, 950, True),
        ("macs>-5%", 1000, 2000, False),
        ("macs>+0.1%", 1000, 1001, False),
        ("macs>+0.1%", 1000, 1002, True),
        ("macs>+5%", 0, 1, True),  # of nothing
        ("macs>+5%", 0, 0, False),
        # amounts
        ("parameters>+100", 1000, 1100, False),
        ("parameters>+100", 1000, 1101, True),
        ("parameters>=+100", 1000, 1100, True),
        ("parameters>-100", 1000, 899, True),
        ("parameters>+0", 7, 8, True),
        ("parameters>+0", 7, 7, False),
        ("parameters>=+0", 7, 7, False),  # what stays does not grow
        ("parameters>+1_000", 0, 1001, True),
        ("parameters>+1,000", 0, 1000, False),
        ("macs>+1.5M", 0, 1_500_000, False),
        ("macs>+1.5M", 0, 1_500_001, True),
        ("macs>+2k", 0, 2001, True),
        ("macs>+2K", 0, 2000, False),
        ("memory.training>+1MiB", 0, 2**20 + 1, True),
        ("memory.training>+1MiB", 0, 2**20, False),
        ("memory.training>+1MB", 0, 10**6 + 1, True),
        ("textbook.prediction>+10", 0, 11, True),
        (" depth > + 0 ", 4, 5, True),
    ],
)
def test_exceeded(text: str, old: int, new: int, exceeded: bool) -> None:
    one = limit(text)
    assert one.reached(change(one.quantity, old, new)).exceeded is exceeded


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_total_has_limits(quantity: str) -> None:
    assert limit(f"{quantity}>+5%").quantity == quantity


def test_exact() -> None:
    """No float decides: 0.1 % of 10^30, and one more."""
    one = limit("macs>+0.1%")
    assert one.amount == Fraction(1, 10)
    assert not one.reached(change("macs", 10**30, 10**30 + 10**27)).exceeded
    assert one.reached(change("macs", 10**30, 10**30 + 10**27 + 1)).exceeded


@pytest.mark.parametrize(
    ("quantity", "old", "new", "message"),
    [
        ("macs", 1000, 1500, "`macs` grows from 1,000 to 1,500, by 500 (+50.0 %)"),
        ("macs", 1500, 1000, "`macs` shrinks from 1,500 to 1,000, by 500 (-33.3 %)"),
        ("macs", 7, 7, "`macs` stays 7"),
        ("macs", 0, 7, "`macs` grows from 0 to 7, by 7"),
        ("memory.training", 1000, 1500, "`memory.training` grows from 1,000 to 1,500, by 500 bytes (+50.0 %)"),
        ("memory.training", 7, 7, "`memory.training` stays 7 bytes"),
    ],
)
def test_what_is_said(quantity: str, old: int, new: int, message: str) -> None:
    reached = limit(f"{quantity}>+5%").reached(change(quantity, old, new))
    assert (reached.limit, reached.quantity, reached.message) == (f"{quantity}>+5%", quantity, message)


@pytest.mark.parametrize(
    ("old", "new", "exceeded", "missing"),
    [(None, 5, True, "before"), (5, None, True, "now"), (None, None, False, "before and now")],
)
def test_a_number_that_one_side_only_has(old: int | None, new: int | None, exceeded: bool, missing: str) -> None:
    total = Change("memory.training", old, new, refused="torch refuses")
    reached = limit("memory.training>-50%").reached(total)
    assert reached.exceeded is exceeded
    assert reached.message == f"`memory.training` has no value {missing}: torch refuses"


# What is no limit -----------------------------------------------------------------------------------------------------

EXAMPLE = "write e.g. 'macs>+5%' (an increase) or 'activations>=-10k' (a decrease)"
EXPECT = f"{EXAMPLE}; a bound on the number itself belongs into the document's `expect`"


@pytest.mark.parametrize(
    ("text", "code", "at", "help"),
    [
        ("", "malformed-limit", 1, EXAMPLE),
        ("macs>+", "malformed-limit", 1, EXAMPLE),
        ("macs<+5%", "malformed-limit", 1, EXAMPLE),
        ("macs>+5.%", "malformed-limit", 1, EXAMPLE),
        ("macs>+5%%", "malformed-limit", 1, EXAMPLE),
        ("macs>+5 % more", "malformed-limit", 1, EXAMPLE),
        ("macs>5%", "malformed-limit", 1, EXPECT),
        ("macs >= 16G", "malformed-limit", 1, EXPECT),
        (
            "macs",
            "malformed-limit",
            1,
            "put it in quotes, or the shell takes the rest for a file: --fail-on 'macs>+5%'",
        ),
        ("mac>+5%", "unknown-quantity", 1, "did you mean `macs`?"),
        (" memory.train>+5%", "unknown-quantity", 2, "did you mean `memory.training` or `memory.prediction`?"),
        ("xyz>+5%", "unknown-quantity", 1, f"known: {', '.join(QUANTITIES)}"),
        ("macs>+5MB", "unknown-unit", 8, "use %, none, or k, M, G, T"),
        ("memory.training>+5M", "unknown-unit", 19, "use %, none, or B, kB, MB, GB, TB, KiB, MiB, GiB, TiB"),
    ],
)
def test_what_is_no_limit(text: str, code: str, at: int, help: str) -> None:
    with pytest.raises(DocumentError) as error:
        limit(text)
    (diagnostic,) = error.value.diagnostics
    assert (diagnostic.code, str(diagnostic.span), diagnostic.help) == (code, f"--fail-on:1:{at}", help)


# Held to a diff -------------------------------------------------------------------------------------------------------


def test_a_failure_names_the_first_layer() -> None:
    text = "input: 6x8x2\nlayers: [{conv: {out_channels: 4, kernel_size: 3}}, {linear: 5}]"
    network = cnncalc.loads(text.replace("5}", "9}"), name="net.yaml")
    found = diff(figures(cnncalc.loads(text)), figures(network), places=spans(network))
    # 76 parameters, and 96 values into 5 or 9
    failures = hold(found, [limit("parameters>+50%"), limit("parameters>+70%"), limit("depth>+0")])
    assert [render(failure) for failure in failures] == [
        "--fail-on:1:1: error[limit-exceeded]: `parameters` grows from 561 to 949, by 388 (+69.2 %)\n"
        "  |\n"
        "1 | parameters>+50%\n"
        "  | ^^^^^^^^^^^^^^^\n"
        "  = note: the first layer that changed is `linear`, net.yaml:2:53"
    ]
    assert [(reached.limit, reached.exceeded) for reached in found.limits] == [
        ("parameters>+50%", True),
        ("parameters>+70%", False),
        ("depth>+0", False),
    ]
