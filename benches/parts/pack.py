"""A push of a large pack that does not compress: how fast the transfer and git's checks are."""

import os
import statistics
import subprocess
import time

from report import Row, milliseconds, say
from sshd import Sshd

ROUNDS = 5
# More than a hundred: git keeps such a push as the pack that it is. Fewer it would unpack and compress one by one,
# and the time for that would hide the transfer's.
FILES = 400
FILE_BYTES = 1_000_000
# What Slipway's own git is told, so that both sides do the same work.
SAME_SETTINGS = {
    "receive.fsckObjects": "true",
    "receive.autogc": "false",
    "receive.advertisePushOptions": "true",
    "core.fsync": "committed,reference",
    "core.fsyncMethod": "batch",
    "core.bigFileThreshold": "32m",
}


def measure(server, rounds=None):
    rounds = rounds or ROUNDS
    repository = server.hello_repository("pack")
    server.push(repository, "bench", "main")
    add_random_files(server.client, repository)
    bare = bare_repository(server)
    ours, theirs = [], []
    with Sshd(server) as sshd:
        # A warm-up each; then round by round.
        for number in range(rounds + 1):
            their_time = timed_push(server.client, repository, sshd.git_url(bare))
            our_time = timed_push(server.client, repository, server.git_url("bench"))
            if number > 0:
                theirs.append(their_time)
                ours.append(our_time)
                say(f"       {number}: {our_time:.2f} s, sshd {their_time:.2f} s")
    ratio = statistics.median(ours) / statistics.median(theirs)
    return [
        Row(
            "push of a 400 MB pack",
            milliseconds(ours),
            f"to sshd: {milliseconds(theirs)}",
            f"{ratio:.2f} ×",
            "≤ 1 ×",
            ratio <= 1,
        )
    ]


def add_random_files(client, repository):
    """Commits them already packed and stored as they are, so that no client's time goes into compressing."""
    for number in range(FILES):
        with open(os.path.join(repository, f"random-{number}"), "wb") as file:
            file.write(os.urandom(FILE_BYTES))
    client.git(repository, "config", "core.compression", "0")
    client.commit(repository, "Random files")
    client.git(repository, "repack", "-a", "-d", "-q", "--window=0")


def bare_repository(server):
    """Where sshd's git receives: refuses once everything was received and checked, as Slipway does."""
    path = os.path.join(server.directory, "bare.git")
    server.client.git(server.directory, "init", "-q", "--bare", path)
    for name, value in SAME_SETTINGS.items():
        server.client.git(path, "config", name, value)
    hook = os.path.join(path, "hooks/pre-receive")
    with open(hook, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 1\n")
    os.chmod(hook, 0o755)
    return path


def timed_push(client, repository, url):
    """How long a push takes that is refused by the hook, in seconds."""
    words = ["git", "push", url, "main:other"]
    began = time.monotonic()
    push = subprocess.run(words, cwd=repository, env=client.environment(), capture_output=True, text=True)
    took = time.monotonic() - began
    if push.returncode == 0 or "pre-receive hook declined" not in push.stderr:
        raise RuntimeError(f"the push should have been refused by its hook:\n{push.stderr}")
    return took
