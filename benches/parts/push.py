"""A push of a one-file app, less what the same change takes by hand."""

import contextlib
import os
import secrets
import shutil
import statistics
import subprocess
import time

from report import Row, milliseconds, say
from server import HELLO, docker, get, remove, wait_for

ROUNDS = 12
GOAL_SECONDS = 0.4
# What the push says once the new instances serve.
DEPLOYED = "Application deployed"


def measure(server, rounds=None):
    rounds = rounds or ROUNDS
    ours, ours_returned, by_hand = [], [], []
    repository = server.hello_repository("push")
    server.push(repository, "bench", "main")
    with Hand(server) as hand:
        hand.deploy(change(hand.directory, "warm-up"))
        for number in range(rounds):
            by_hand.append(hand.deploy(change(hand.directory, f"hand-{number}")))
            server.wait_until_calm(containers=1)
            text = change(repository, f"push-{number}")
            server.client.commit(repository, text)
            reached, returned = push_until_reached(server, repository, text)
            ours.append(reached)
            ours_returned.append(returned)
            server.wait_until_calm(containers=1)
            say(f"       {number + 1}: push {reached:.3f} s (returned {returned:.3f}), by hand {by_hand[-1]:.3f} s")
    on_top = statistics.median(ours) - statistics.median(by_hand)
    hand_text = f"docker build + run: {milliseconds(by_hand)}"
    return [
        Row(
            "push to first 200",
            milliseconds(ours),
            hand_text,
            difference(ours, by_hand),
            f"≤ +{GOAL_SECONDS * 1000:.0f} ms",
            on_top <= GOAL_SECONDS,
        ),
        Row("push to its return", milliseconds(ours_returned), hand_text, difference(ours_returned, by_hand)),
    ]


def difference(ours, by_hand):
    """The difference of the medians, with the least and the greatest of the single rounds' differences.

    The range tells what the first figure is worth: on a busy machine it is wider than the goal.
    """
    pairs = [one - other for one, other in zip(ours, by_hand)]
    middle = statistics.median(ours) - statistics.median(by_hand)
    return f"{middle * 1000:+.0f} ms [{min(pairs) * 1000:+.0f} to {max(pairs) * 1000:+.0f}]"


def change(directory, text):
    """Changes the one file so that its page carries this text."""
    path = os.path.join(directory, "hello.pl")
    with open(path, encoding="utf-8") as file:
        lines = file.readlines()
    changed = [f'my $body = "{text}\\n";\n' if line.startswith("my $body = ") else line for line in lines]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(changed)
    return text


def push_until_reached(server, repository, text):
    """Pushes, and returns how long the first right answer and the push's own end took, in seconds."""
    words = ["git", "push", server.git_url("bench"), "main"]
    began = time.monotonic()
    push = subprocess.Popen(
        words, cwd=repository, env=server.client.environment(), stderr=subprocess.PIPE, text=True
    )
    said = []
    for line in push.stderr:
        said.append(line)
        if DEPLOYED in line:
            break
    else:
        raise RuntimeError("the push did not deploy:\n" + "".join(said))
    wait_for(f"the page says {text}", lambda: text in (server.get("bench") or ""))
    reached = time.monotonic() - began
    push.stderr.read()
    push.wait()
    return reached, time.monotonic() - began


class Hand(contextlib.AbstractContextManager):
    """Somebody with the docker client: builds, runs, and asks the container itself."""

    def __init__(self, server):
        self.directory = os.path.join(server.directory, "by-hand")
        shutil.copytree(HELLO, self.directory)
        self.name = f"slipway-bench-{secrets.token_hex(4)}"
        self.images = []
        third = secrets.randbelow(250)
        # Addresses can be chosen only on a network whose range was chosen.
        docker("network", "create", "--subnet", f"10.214.{third}.0/24", self.name)
        self.address = f"10.214.{third}.10"

    def __exit__(self, *_):
        remove(["rm", "--force"], docker("ps", "--all", "--quiet", "--filter", f"name={self.name}").split())
        docker("network", "rm", self.name)
        remove(["rmi", "--force"], self.images)

    def wait_until_answers(self):
        """Waits for any answer at its address."""
        wait_for("the container answers", lambda: get((self.address, 5000), "localhost"))

    def deploy(self, text):
        """Builds and runs the change, and returns how long the first right answer took, in seconds."""
        remove(["rm", "--force"], docker("ps", "--all", "--quiet", "--filter", f"name={self.name}").split())
        image = f"{self.name}:{text}"
        began = time.monotonic()
        docker("build", "--tag", image, self.directory)
        docker("run", "--detach", "--name", self.name, "--network", self.name, "--ip", self.address, image)
        address = (self.address, 5000)
        wait_for(f"the page says {text}", lambda: text in (get(address, "localhost") or ""))
        took = time.monotonic() - began
        self.images.append(image)
        return took
