"""The table of results, on the screen and in RESULTS.md."""

import dataclasses
import datetime
import os
import statistics
import subprocess
import sys
from typing import Optional

HEADINGS = ("what", "Slipway", "compared with", "result", "goal", "met")

HOW = """\
## How it was measured
`benches/run` builds the release binary and measures everything in one run, on one machine, over loopback. What
is compared takes turns, round by round, and a figure is the median of its rounds; least and greatest stand in
brackets. Each part has a server of its own with default settings.

- **push**: from `git push` to the first 200 that carries the new text, for `tests/apps/hello` with a warm cache,
  where one file changes each time. By hand: `docker build` and `docker run --detach` with the engine's own
  client, to a fixed address on a network of its own, so that neither a port has to be published nor an address
  asked for; the old container is removed between the rounds, off the clock. Asking for the page begins when
  `docker run` returns, or when the push says that the app is deployed.
- **ssh**: a whole `ssh` process from start to end, with no shared connection. The other side is OpenSSH's `sshd`
  with its default algorithms and a plain shell, whose home is empty: what somebody keeps in `~/.bashrc` would
  count against it. Slipway answers with a list of one app. The second row has both use the same key exchange:
  sshd and an older client agree on a dearer one by default. Part of sshd's figure are waits of about 40 ms for
  delayed acknowledgements (`ssh -v` shows them), which Slipway avoids.
- **pack**: a push of 400 random files of 1 MB to a branch that is not deployed. Both sides receive and check
  every object (`receive.fsckObjects`) with the same git settings, and then refuse, so that each round sends all
  of it. The client's cipher is its default.
- **memory**: ten apps, each deployed by a push, then 50 requests to each; resident memory a little later, when
  it does not change any more. PSS counts shared pages by their share.
- **run**: 1 GB in and out of `ssh HOST run APP cat`, every byte compared; the memory is the highest resident
  figure that the kernel saw during it, less the idle one.
- **scale**: `ps:scale web=10` until each of the ten has answered through the router, against nine `docker run`
  side by side until each has answered at its own address. Three process types: `ps:restart` of an app whose web
  process sleeps two seconds before it listens, with a worker and a clock beside it, to its return, against
  `docker run` of that web process alone until it answers.
- **buildpacks**: `tests/apps/node-express` from `git push` to the first answer, with the stack made before: as a new app
  whose cache is empty, and again with one line changed. Of the second one the times that the buildpacks' own programs
  took, as the push tells them, and `docker run` of the same image until it answers are taken off: the rest is Slipway's.
- **chatter**: a worker that writes 50,000 lines of 100 bytes each second, each with a call of its own, and how many of
  them `logs` tells afterwards; processor time of the server and of dockerd with containerd, from the start of the
  worker until the last line can be read. Meanwhile another app is asked through the router.
- **many**: two hundred apps with one instance each, in an engine of the bench's own. Idle: the server's processor
  time over thirty seconds in which nobody asks for anything. Engine restart: dockerd is stopped with all its
  containers and started again; from its start until it answers, and until every app has answered through the router.
- **plugins**: `config:set --no-restart` over the Unix socket, whose client is a process of its own, with plugins whose
  one hook is `/bin/true`: the difference to the same command without plugins. Each hook is a process in namespaces and
  as a user of its own, and is recorded.
"""


@dataclasses.dataclass
class Row:
    """One comparison. `met` is None where there is no goal."""

    what: str
    ours: str
    theirs: str
    result: str
    goal: str = ""
    met: Optional[bool] = None

    def cells(self):
        met = {True: "yes", False: "NO", None: ""}[self.met]
        return (self.what, self.ours, self.theirs, self.result, self.goal, met)


def say(text):
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def milliseconds(seconds):
    """The median of durations with the least and the greatest."""
    figures = [statistics.median(seconds), min(seconds), max(seconds)]
    median, least, greatest = (round(figure * 1000) for figure in figures)
    return f"{median} ms [{least}–{greatest}]"


def table(rows):
    """A Markdown table that is also readable as it is."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    lines.insert(1, tuple("-" * width for width in widths))
    text = ("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines)
    return "\n".join(text)


def write(path, rows, sources, load_before):
    """Writes the page of results. `load_before` is the load average of the minute before the bench began."""
    today = datetime.date.today().isoformat()
    missed = [row.what for row in rows if row.met is False]
    verdict = f"Missed: {'; '.join(missed)}." if missed else "Every median is within its goal."
    page = f"# Results\nWritten by `benches/run` on {today}, at {commit(sources)}, on {machine()}. {verdict}\n\n"
    if load_before > os.cpu_count() / 2:
        page += (
            f"The machine was busy with other work: its load average was {load_before:.1f} before the bench began. "
            "Differences and ratios near their goals prove little then; measure again on a quiet machine.\n\n"
        )
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{page}{table(rows)}\n\n{HOW}")


def commit(sources):
    described = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(described, cwd=sources, check=True, capture_output=True, text=True).stdout.strip()


def machine():
    """The machine in general words: what matters for the figures, and nothing that names it."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"a machine with {os.cpu_count()} cores and {memory_gib:.0f} GiB of memory"
