"""What an event costs with no hook, with one, and with twenty that watch side by side."""

import os
import statistics
import tempfile
import time

from report import Row, milliseconds

ROUNDS = 50
HOOKS = 20
HOOK = "post-config-update"


def measure(server, rounds=None):
    rounds = rounds or ROUNDS
    server.command("apps:create", "bench")
    none = times(server, rounds)
    with tempfile.TemporaryDirectory() as directory:
        # Plugins that are told of something else cost this event nothing.
        for number in range(HOOKS):
            install(server, directory, f"other{number}", "daily")
        others = times(server, rounds)
        install(server, directory, "one", HOOK)
        one = times(server, rounds)
        for number in range(1, HOOKS):
            install(server, directory, f"more{number}", HOOK)
        many = times(server, rounds)
    return [
        row(f"an event, {HOOKS} plugins with other hooks", others, none),
        row("an event with 1 hook", one, none),
        row(f"an event with {HOOKS} hooks", many, none),
    ]


def install(server, directory, name, hook):
    """Installs a plugin whose one hook does nothing."""
    folder = os.path.join(directory, name)
    os.makedirs(os.path.join(folder, "hooks"))
    with open(os.path.join(folder, "plugin.toml"), "w", encoding="utf-8") as file:
        file.write(f'[plugin]\nname = "{name}"\nversion = "1"\napi = 1\n[hooks.{hook}]\n')
    path = os.path.join(folder, "hooks", hook)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/true\n")
    os.chmod(path, 0o755)
    server.command("plugin:install", "--force", folder)


def times(server, rounds):
    """How long a command takes that makes the event, in seconds."""
    found = []
    for _ in range(rounds + 1):
        began = time.monotonic()
        server.command("config:set", "--no-restart", "bench", "A=b")
        found.append(time.monotonic() - began)
    return found[1:]


def row(what, ours, without):
    more = (statistics.median(ours) - statistics.median(without)) * 1000
    return Row(what, milliseconds(ours), f"without plugins: {milliseconds(without)}", f"+ {more:.1f} ms")
