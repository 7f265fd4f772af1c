"""An app that prints fifty thousand lines a second: what keeping them costs, and that another app does not notice."""

import os
import statistics
import subprocess
import time

from engine import cpu_seconds
from report import Row, milliseconds, say
from server import wait_for

LINES_PER_SECOND = 50_000
SECONDS = 20
LINES = LINES_PER_SECOND * SECONDS
REQUESTS = 200
# Each line is a write of its own and has a hundred bytes, as of a program that logs its requests.
WORKER = f"""\
use strict;
use POSIX;
# In hundredths of a second, as POSIX has them.
my ($began, $printed) = ((POSIX::times())[0], 0);
while ($printed < {LINES}) {{
    my $due = ((POSIX::times())[0] - $began) * {LINES_PER_SECOND // 100};
    $due = {LINES} if $due > {LINES};
    while ($printed < $due) {{
        $printed++;
        my $line = "chatter $printed ";
        syswrite STDOUT, $line . ('.' x (99 - length $line)) . "\\n";
    }}
    select undef, undef, undef, 0.01;
}}
syswrite STDOUT, "all is said\\n";
sleep 1 while 1;
"""


def measure(server, _rounds=None, engine=None):
    server.push(server.hello_repository("quiet"), "quiet", "main")
    repository = server.hello_repository("chatter")
    with open(os.path.join(repository, "worker.pl"), "w", encoding="utf-8") as file:
        file.write(WORKER)
    with open(os.path.join(repository, "Dockerfile"), "a", encoding="utf-8") as file:
        file.write("COPY worker.pl /worker.pl\n")
    with open(os.path.join(repository, "Procfile"), "a", encoding="utf-8") as file:
        file.write("worker: perl /worker.pl\n")
    server.client.commit(repository, "A worker that talks")
    server.push(repository, "chatter", "main")
    # So that all of it can be counted.
    server.command("logs:set", "chatter", "max-size", "1g")
    before = response_times(server)
    began, ours, engines = time.monotonic(), cpu_seconds(server.process.pid), engine.cpu_seconds()
    server.command("ps:scale", "chatter", "worker=1")
    during = response_times(server)
    wait_for("the last line is kept", lambda: last_line(server) == "all is said", pause=0.5)
    took = time.monotonic() - began
    ours, engines = cpu_seconds(server.process.pid) - ours, engine.cpu_seconds() - engines
    kept = count(server)
    say(f"       {kept} of {LINES} lines in {took:.1f} s: server {ours:.1f} s of processor time, engine {engines:.1f} s")
    slower = statistics.median(during) / statistics.median(before)
    return [
        Row(
            f"{LINES_PER_SECOND:,} lines a second of 100 bytes, {SECONDS} s",
            f"server {ours / took * 100:.1f} % of a core",
            f"the engine itself: {engines / took * 100:.1f} %",
            f"{kept / LINES * 100:.2f} % kept",
            "all",
            kept == LINES,
        ),
        Row(
            "a request to another app meanwhile",
            milliseconds(during),
            f"with no such app: {milliseconds(before)}",
            f"{slower:.2f} ×",
        ),
    ]


def response_times(server):
    times = []
    for _ in range(REQUESTS):
        began = time.monotonic()
        wait_for("the quiet app answers", lambda: server.get("quiet"))
        times.append(time.monotonic() - began)
        time.sleep(0.02)
    return times


def lines(server, *words):
    """What the log has of the worker."""
    ran = subprocess.run(server.ssh("logs", "chatter", "-p", "worker", "-q", *words), check=True, capture_output=True)
    return ran.stdout.splitlines()


def last_line(server):
    last = lines(server, "-n", "1")
    return last[-1].decode() if last else ""


def count(server):
    """How many of the numbered lines are kept, each counted once."""
    return len({line for line in lines(server, "-n", str(LINES + 1000)) if b"chatter " in line})
