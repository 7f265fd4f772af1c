"""A Node.js app by buildpacks: its first push against one with a changed line, and what Slipway itself adds to it."""

import os
import re
import shutil
import statistics
import subprocess
import time

from push import Hand
from report import Row, milliseconds, say
from server import SOURCES, docker, wait_for

ROUNDS = 5
SAMPLE = os.path.join(SOURCES, "tests/apps/node-express")
CHANGED_FILE = "server.js"
GOAL_RATIO = 0.35
GOAL_SECONDS = 1.0
GOAL_SIZE = 1.05
STEP = re.compile(r"(\S+) ([0-9.]+) s")


def measure(server, rounds=None):
    rounds = rounds or ROUNDS
    repository = server.client.repository("express")
    shutil.copytree(SAMPLE, repository, dirs_exist_ok=True)
    server.client.commit(repository, "The sample")
    # The stack is made once for all apps.
    server.push(server.hello_without_dockerfile("warm-up"), "warm-up", "main")
    first, second, steps, own, by_hand = [], [], [], [], []
    with Hand(server) as hand:
        for number in range(rounds):
            app = f"bench-{number}"
            first.append(push(server, repository, app)[0])
            with open(os.path.join(repository, CHANGED_FILE), "a", encoding="utf-8") as file:
                file.write(f"// change {number}\n")
            server.client.commit(repository, f"Change {number}")
            took, said = push(server, repository, app)
            second.append(took)
            image = docker("inspect", "--format", "{{.Image}}", f"{app}.web.1").strip()
            by_hand.append(start_by_hand(hand, image))
            steps.append(compile_seconds(said))
            own.append(took - steps[-1] - by_hand[-1])
            say(
                f"       {number + 1}: first push {first[-1]:.2f} s, second {second[-1]:.2f} s, of it buildpacks "
                f"{steps[-1]:.2f} s, start by hand {by_hand[-1]:.2f} s, Slipway {own[-1]:.2f} s"
            )
    ratio = statistics.median(second) / statistics.median(first)
    added = statistics.median(own)
    size, slug = sizes(server, image)
    return [
        Row(
            "second push of a Node.js app, a line changed",
            milliseconds(second),
            f"its first push: {milliseconds(first)}",
            f"{ratio:.2f} ×",
            f"≤ {GOAL_RATIO} ×",
            ratio <= GOAL_RATIO,
        ),
        Row(
            "of it: what Slipway adds to compile and start",
            milliseconds(own),
            f"buildpacks {milliseconds(steps)}, docker run {milliseconds(by_hand)}",
            f"{added * 1000:.0f} ms",
            f"< {GOAL_SECONDS * 1000:.0f} ms",
            added < GOAL_SECONDS,
        ),
        Row(
            "image on top of the run image",
            f"{size / 1e6:.1f} MB",
            f"files of the slug: {slug / 1e6:.1f} MB",
            f"{size / slug:.3f} ×",
            f"≤ {GOAL_SIZE} ×",
            size / slug <= GOAL_SIZE,
        ),
    ]


def push(server, repository, app):
    """Pushes until the app answers through the router: how long it took in seconds, and what was said."""
    began = time.monotonic()
    words = ["git", "push", server.git_url(app), "main"]
    pushed = subprocess.run(words, cwd=repository, env=server.client.environment(), capture_output=True, text=True)
    if pushed.returncode != 0:
        raise RuntimeError(f"the push of {app} was refused:\n{pushed.stderr}")
    wait_for(f"{app} answers", lambda: server.get(app))
    return time.monotonic() - began, pushed.stderr


def compile_seconds(said):
    """What the buildpacks' own programs took, as the push tells it."""
    line = next(line for line in said.splitlines() if "Time: " in line)
    return sum(float(seconds) for _, seconds in STEP.findall(line.split("Time: ", 1)[1]))


def start_by_hand(hand, image):
    """`docker run` of the same image until it answers, in seconds."""
    began = time.monotonic()
    environment = ["--env", "PORT=5000"]
    docker("run", "--detach", "--name", hand.name, "--network", hand.name, "--ip", hand.address, *environment, image, "npm start")
    hand.wait_until_answers()
    took = time.monotonic() - began
    docker("rm", "--force", hand.name)
    return took


def sizes(server, image):
    """Bytes of an image beyond its run image, and of the files that are the app."""
    layer = docker("inspect", "--format", '{{index .Config.Labels "slipway.layer-image"}}', image).strip()
    below = docker("inspect", "--format", '{{index .Config.Labels "slipway.layer"}}', layer).split()[1]
    size = int(docker("inspect", "--format", "{{.Size}}", image)) - int(docker("inspect", "--format", "{{.Size}}", below))
    files = docker("run", "--rm", "--entrypoint", "du", image, "--summarize", "--bytes", "--apparent-size", "/app")
    return size, int(files.split()[0])
