"""From one web instance to ten until all serve, and three process types at once, each against containers by hand."""

import os
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from push import Hand
from report import Row, milliseconds, say
from server import docker, get, remove, wait_for

ROUNDS = 5
INSTANCES = 10
# How long the web process of the second part takes before it listens.
BOOT_SECONDS = 2
GOAL_RATIO = 1.3
PROCFILE = f"""\
web: sh -c "sleep {BOOT_SECONDS}; exec perl /hello.pl"
worker: sleep infinity
clock: sleep infinity
"""


def measure(server, rounds=None):
    rounds = rounds or ROUNDS
    server.push(server.hello_repository("scale"), "bench", "main")
    repository = server.hello_repository("types")
    with open(os.path.join(repository, "Procfile"), "w", encoding="utf-8") as file:
        file.write(PROCFILE)
    server.client.commit(repository, "Three process types")
    server.push(repository, "types", "main")
    server.command("ps:scale", "types", "worker=1", "clock=1")
    server.wait_until_calm(containers=4)
    ours, by_hand, types, alone = [], [], [], []
    with Hand(server) as hand:
        image = docker("inspect", "--format", "{{.Image}}", server.containers()[-1]).strip()
        for number in range(rounds):
            by_hand.append(run_ten(hand, image))
            ours.append(scale_up(server))
            alone.append(run_one(hand, image))
            types.append(restart(server))
            say(
                f"       {number + 1}: 1 to {INSTANCES} {ours[-1]:.2f} s, by hand {by_hand[-1]:.2f} s; "
                f"three process types {types[-1]:.2f} s, the slowest alone {alone[-1]:.2f} s"
            )
    ratio = statistics.median(ours) / statistics.median(by_hand)
    slowest = statistics.median(types) / statistics.median(alone)
    return [
        Row(
            f"web from 1 to {INSTANCES}, until all serve",
            milliseconds(ours),
            f"{INSTANCES - 1} × docker run at once: {milliseconds(by_hand)}",
            f"{ratio:.2f} ×",
        ),
        Row(
            "deploy of three process types",
            milliseconds(types),
            f"the slowest alone: {milliseconds(alone)}",
            f"{slowest:.2f} ×",
            f"≤ {GOAL_RATIO} ×",
            slowest <= GOAL_RATIO,
        ),
    ]


def scale_up(server):
    """Scales up and asks until each instance has answered; then scales down again, off the clock."""
    seen = set()

    def all_served():
        seen.add(server.get("bench"))
        return len(seen - {None}) >= INSTANCES

    began = time.monotonic()
    subprocess.run(server.ssh("ps:scale", "bench", f"web={INSTANCES}"), check=True, stdout=subprocess.DEVNULL)
    wait_for("all instances serve", all_served, pause=0)
    took = time.monotonic() - began
    server.command("ps:scale", "bench", "web=1")
    server.wait_until_calm(containers=4)
    return took


def restart(server):
    """A deploy without a build: new instances of all three, checked, switched to."""
    began = time.monotonic()
    subprocess.run(server.ssh("ps:restart", "types"), check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - began
    server.wait_until_calm(containers=4)
    return took


def run_ten(hand, image):
    """Nine more containers beside one that runs, all at once, each asked until it answers."""
    names = [f"{hand.name}-{number}" for number in range(INSTANCES - 1)]
    addresses = [f"{hand.address.rsplit('.', 1)[0]}.{20 + number}" for number in range(len(names))]

    def start(name, address):
        words = ("run", "--detach", "--init", "--name", name, "--network", hand.name, "--ip", address)
        docker(*words, image, "perl", "/hello.pl")
        wait_for(f"{name} answers", lambda: get((address, 5000), "localhost"))

    began = time.monotonic()
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(start, names, addresses))
    took = time.monotonic() - began
    remove(["rm", "--force"], names)
    return took


def run_one(hand, image):
    """The slowest process type by itself."""
    name = f"{hand.name}-alone"
    command = ["sh", "-c", f"sleep {BOOT_SECONDS}; exec perl /hello.pl"]
    began = time.monotonic()
    docker("run", "--detach", "--init", "--name", name, "--network", hand.name, "--ip", hand.address, image, *command)
    wait_for("the slowest answers", lambda: get((hand.address, 5000), "localhost"))
    took = time.monotonic() - began
    remove(["rm", "--force"], [name])
    return took
