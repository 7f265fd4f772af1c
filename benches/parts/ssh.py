"""One short command over a connection of its own."""

import statistics
import subprocess
import time

from report import Row, milliseconds, say
from sshd import Sshd

ROUNDS = 50
GOAL = 0.6


def measure(server, rounds=None):
    rounds = rounds or ROUNDS
    ours, theirs = [], []
    server.command("apps:create", "bench")
    with Sshd(server) as sshd:
        for words in (server.ssh("apps:list"), sshd.ssh("true")):
            timed(words)
        for _ in range(rounds):
            theirs.append(timed(sshd.ssh("true")))
            ours.append(timed(server.ssh("apps:list")))
    ratio = statistics.median(ours) / statistics.median(theirs)
    say(f"       {rounds} rounds: {ratio:.2f}")
    return [
        Row(
            "ssh HOST apps:list",
            milliseconds(ours),
            f"ssh HOST true, sshd: {milliseconds(theirs)}",
            f"{ratio:.2f} ×",
            f"≤ {GOAL} ×",
            ratio <= GOAL,
        )
    ]


def timed(words):
    """How long a command takes that has to succeed, in seconds."""
    began = time.monotonic()
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.monotonic() - began
