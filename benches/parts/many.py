"""Two hundred apps on one host: what they cost when nothing happens, and how fast all are back."""

import statistics
import subprocess
import time

from engine import cpu_seconds
from report import Row, milliseconds, say
from server import docker, wait_for

FEW, MANY = 10, 200
ROUNDS = 10
IDLE_SECONDS = 30
GOAL_CORE = 0.01


def measure(server, rounds=None, engine=None):
    rounds = rounds or ROUNDS
    server.push(server.hello_repository("many"), app(0), "main")
    image = docker("inspect", "--format", "{{.Image}}", server.containers()[0]).strip()
    deploy(server, image, range(1, FEW))
    few = commands(server, rounds)
    deploy(server, image, range(FEW, MANY))
    wait_for("all apps answer", lambda: all(server.get(app(number)) for number in range(MANY)))
    server.wait_until_calm(containers=MANY)
    many = commands(server, rounds)
    resident = server.idle_memory_kib() / 1024
    share = idle_share(server)
    answering, whole = restart(server, engine)
    rows = [
        Row(f"memory of the server with {MANY} apps", f"{resident:.1f} MiB RSS", "", f"{resident / MANY * 1024:.0f} KiB an app"),
        Row(
            f"idle with {MANY} apps, {IDLE_SECONDS} s",
            f"{share * 100:.2f} % of a core",
            "",
            "",
            f"≤ {GOAL_CORE * 100:.0f} %",
            share <= GOAL_CORE,
        ),
        Row(
            f"all {MANY} apps answer after an engine restart",
            f"{whole:.1f} s after its stop",
            f"the engine answers again: {answering:.1f} s",
            f"{whole - answering:+.1f} s",
        ),
    ]
    for name, few_times, many_times in zip(COMMANDS, few, many):
        ratio = statistics.median(many_times) / statistics.median(few_times)
        rows.append(
            Row(f"ssh HOST {name}, {MANY} apps", milliseconds(many_times), f"{FEW} apps: {milliseconds(few_times)}", f"{ratio:.2f} ×")
        )
    return rows


COMMANDS = ("apps:list", "ps:report")


def app(number):
    return f"bench-{number:03}"


def deploy(server, image, numbers):
    """The image of the first app, as apps of their own."""
    for number in numbers:
        server.command("apps:create", app(number))
        server.command("git:from-image", app(number), image)
        if number % 20 == 19:
            say(f"       {number + 1} apps")


def commands(server, rounds):
    """The times of each command, taking turns."""
    times = [[] for _ in COMMANDS]
    for _ in range(rounds):
        for command, taken in zip(COMMANDS, times):
            began = time.monotonic()
            subprocess.run(server.ssh(command), check=True, stdout=subprocess.DEVNULL)
            taken.append(time.monotonic() - began)
    return times


def idle_share(server):
    """The server's share of a core while nobody asks for anything."""
    before = cpu_seconds(server.process.pid)
    time.sleep(IDLE_SECONDS)
    share = (cpu_seconds(server.process.pid) - before) / IDLE_SECONDS
    say(f"       idle: {share * 100:.2f} % of a core")
    return share


def restart(server, engine):
    """Stops the engine with all its containers and starts it: until it answers, and until all apps do, in seconds."""
    engine.stop()
    began = time.monotonic()
    engine.start()
    answering = time.monotonic() - began
    missing = set(range(MANY))

    def all_answer():
        missing.difference_update([number for number in sorted(missing) if server.get(app(number))][:MANY])
        return not missing

    wait_for("all apps answer again", all_answer, bound=600, pause=0.1)
    whole = time.monotonic() - began
    say(f"       engine restart: it answers after {answering:.1f} s, all apps after {whole:.1f} s")
    return answering, whole
