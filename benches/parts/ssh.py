"""One short command over a connection of its own."""

import statistics
import subprocess
import time

from report import Row, milliseconds, say
from sshd import Sshd

ROUNDS = 50
GOAL = 0.6
# Both servers prefer a post-quantum exchange, but not the same one. A client before OpenSSH 9.9 knows only sshd's,
# which costs more than this one.
KEY_EXCHANGE = "curve25519-sha256"


def measure(server, rounds=None):
    rounds = rounds or ROUNDS
    server.command("apps:create", "bench")
    with Sshd(server) as sshd:
        commands = [server.ssh("apps:list"), sshd.ssh("true")]
        commands += [with_key_exchange(command) for command in commands]
        times = [[] for _ in commands]
        for command in commands:
            timed(command)
        for _ in range(rounds):
            for command, own in zip(commands, times):
                own.append(timed(command))
    default, same = compare(*times[:2]), compare(*times[2:])
    say(f"       {rounds} rounds: {default:.2f}; both with {KEY_EXCHANGE}: {same:.2f}")
    return [
        row("ssh HOST apps:list", times[:2], default, f"≤ {GOAL} ×", default <= GOAL),
        row(f"the same, both {KEY_EXCHANGE}", times[2:], same),
    ]


def with_key_exchange(command):
    """The same command with the one key exchange that both servers know."""
    return [*command[:1], f"-oKexAlgorithms={KEY_EXCHANGE}", *command[1:]]


def compare(ours, theirs):
    return statistics.median(ours) / statistics.median(theirs)


def row(what, times, ratio, goal="", met=None):
    ours, theirs = times
    return Row(what, milliseconds(ours), f"ssh HOST true, sshd: {milliseconds(theirs)}", f"{ratio:.2f} ×", goal, met)


def timed(words):
    """How long a command takes that has to succeed, in seconds."""
    began = time.monotonic()
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.monotonic() - began
