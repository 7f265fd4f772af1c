"""The table of results, on the screen and in ROUTER.md."""

import dataclasses
import datetime
import os
import subprocess
import sys
from typing import Optional

HEADINGS = ("what", "measure", "Slipway", "nginx", "HAProxy", "ratio", "goal", "met")

HOW = """\
## How it was measured
`benches/router` builds the release binary of `router/examples/router.rs` and measures it beside Debian's nginx and HAProxy
in one run. Each proxy has one worker thread, pinned to one core; load and backend share the other core. All keep
connections on both sides, send the same headers on, and write an access log. The ratio is Slipway's figure divided by
nginx's, for percentiles by HAProxy's.

- **processor time**: what the kernel's scheduler booked for the proxy's threads during a round, for each request; the
  least of five rounds in which the proxies took turns.
- **instructions**: in user space, under callgrind, which counts while 2,000 requests are sent (300 on new connections).
- **system calls**: `strace --summary-only` over 2,000 requests.
- **percentiles**: from h2load's log of each request at one rate, 16 connections (HTTP/2: 4 with 4 streams); the median of
  nine runs of three seconds in which the proxies took turns.
- **memory**: growth of the resident memory by thousands of connections that have asked once and then rested for eight
  seconds.
- **hosts**: a table of 10,000 apps with a host each, against one of one.
"""


@dataclasses.dataclass
class Row:
    """One measure of one case. A goal is a ratio to the proxy that is compared with."""

    what: str
    measure: str
    figures: dict
    against: str
    goal: Optional[float] = None

    def ratio(self):
        return self.figures["Slipway"] / self.figures[self.against]

    def met(self):
        return None if self.goal is None else self.ratio() <= self.goal

    def cells(self):
        known = [f"{self.figures[name]:.1f}" if name in self.figures else "" for name in ("Slipway", "nginx", "HAProxy")]
        if self.against not in ("nginx", "HAProxy"):
            known[1] = f"{self.figures[self.against]:.1f} ({self.against})"
        goal = "" if self.goal is None else f"≤ {self.goal} ×"
        met = {True: "yes", False: "NO", None: ""}[self.met()]
        return (self.what, self.measure, *known, f"{self.ratio():.2f} ×", goal, met)


def say(text):
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def text(rows):
    """A Markdown table that is also readable as it is."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines)


def write(path, rows, sources):
    """Writes the page of results."""
    described = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(described, cwd=sources, check=True, capture_output=True, text=True).stdout.strip()
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    missed = [f"{row.what}, {row.measure} ({row.ratio():.2f} ×)" for row in rows if row.met() is False]
    verdict = f"Missed: {'; '.join(missed)}." if missed else "Every goal is met."
    today = datetime.date.today().isoformat()
    machine = f"a machine with {os.cpu_count()} cores and {memory_gib:.0f} GiB of memory"
    head = f"# The router beside nginx and HAProxy\nWritten by `benches/router` on {today}, at {commit}, on {machine}. {verdict}\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{head}\n{text(rows)}\n\n{HOW}")
