"""What an event costs with no hook, with one, and with twenty that watch side by side."""

import os
import statistics
import tempfile
import time

from report import Row, milliseconds

ROUNDS = 60
LAPS = 3
HOOKS = 20
HOOK = "post-config-update"


def measure(server, rounds=None):
    """The states take turns, lap by lap, for the machine's mood changes."""
    server.command("apps:create", "bench")
    others = [f"other{number}" for number in range(HOOKS)]
    hooked = [f"hooked{number}" for number in range(HOOKS)]
    with tempfile.TemporaryDirectory() as directory:
        for name in others + hooked:
            # Plugins that are told of something else cost this event nothing.
            install(server, directory, name, "daily" if name in others else HOOK)
    states = {"none": [], "others": others, "one": hooked[:1], "all": hooked}
    found = {state: [] for state in states}
    for _ in range(LAPS):
        for state, enabled in states.items():
            for name in others + hooked:
                server.command("plugin:enable" if name in enabled else "plugin:disable", name)
            found[state] += times(server, max(1, (rounds or ROUNDS) // LAPS))
    return [
        row(f"an event, {HOOKS} plugins with other hooks", found["others"], found["none"]),
        row("an event with 1 hook", found["one"], found["none"]),
        row(f"an event with {HOOKS} hooks", found["all"], found["none"]),
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
    return Row(what, milliseconds(ours), f"without plugins: {milliseconds(without)}", f"{more:+.1f} ms")
