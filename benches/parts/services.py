"""Services against their engine by itself: until one can be used, and a gigabyte of rows out of it and into it.

The engine's own client runs by `docker exec` in the very container that Slipway made, so both have the same engine,
the same data and the same disk.
"""

import json
import os
import subprocess
import tempfile
import time

from report import Row, say
from server import docker, wait_for

ENGINE = "postgres"
ROUNDS = 3
ROWS = 1_000_000
# About a kilobyte in each row, which zstd and TOAST cannot make much of.
FILL = f"""CREATE TABLE rows (id int, text text);
ALTER TABLE rows ALTER text SET STORAGE EXTERNAL;
INSERT INTO rows SELECT i, (SELECT string_agg(md5(i * 31 + j || ''), '') FROM generate_series(1, 31) j)
FROM generate_series(1, {ROWS}) i;
"""
DUMP = ["pg_dump", "--username=postgres", "--format=custom", "--compress=0", "bench"]
RESTORE = ["pg_restore", "--username=postgres", "--dbname=bench", "--no-owner", "--no-privileges", "--exit-on-error"]
GOAL = 1.1
MEMORY_GOAL_MIB = 32
# How each engine is run by hand: where its data lies, options of `docker run`, and what says that it is ready.
BY_HAND = {
    "postgres": (
        "/var/lib/postgresql/data",
        ["--env=POSTGRES_PASSWORD=secret", "--env=POSTGRES_DB=bench"],
        ["pg_isready", "--quiet", "--host=127.0.0.1"],
    ),
    "mysql": (
        "/var/lib/mysql",
        ["--env=MYSQL_ROOT_PASSWORD=secret", "--env=MYSQL_DATABASE=bench"],
        ["mysqladmin", "--user=root", "--password=secret", "--host=127.0.0.1", "--protocol=tcp", "--silent", "ping"],
    ),
}
# As for every client of the engine here: the API of the oldest one that is supported.
ENVIRONMENT = {"DOCKER_API_VERSION": "1.41", **os.environ}
QUIET = {"check": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": ENVIRONMENT}


def measure(server, rounds=None):
    rows = [created(server, engine, rounds or ROUNDS) for engine in BY_HAND]
    sql(server, "bench", FILL)
    with tempfile.TemporaryDirectory() as directory:
        dump = os.path.join(directory, "dump")
        idle = server.idle_memory_kib()
        server.forget_peak()
        out = best(rounds, lambda: timed(server.ssh(f"{ENGINE}:export", "bench"), output=dump))
        own = best(rounds, lambda: timed(inside(server, "bench", DUMP), output=dump))
        rows.append(compared(f"export of {os.path.getsize(dump) / 1e9:.2f} GB in rows", out, own))
        rows += imported(server, dump, rounds)
        above = (server.memory_kib("VmHWM", file="status") - idle) / 1024
        rows.append(
            Row(
                "memory during it",
                f"{above:+.1f} MiB above idle",
                f"idle: {idle / 1024:.1f} MiB",
                f"{above:.1f} MiB",
                f"≤ {MEMORY_GOAL_MIB} MiB",
                above <= MEMORY_GOAL_MIB,
            )
        )
    return rows


def created(server, engine, rounds):
    """From the word until clients are served, with an image that is there."""
    timed(server.ssh(f"{engine}:create", "bench"))
    image = json.loads(docker("inspect", container(server, engine, "bench")))[0]["Config"]["Image"]
    ours, theirs = [], []
    for number in range(rounds):
        ours.append(timed(server.ssh(f"{engine}:create", f"other{number}")))
        timed(server.ssh(f"{engine}:destroy", "--force", "--no-backup", f"other{number}"))
        theirs.append(by_hand(image, *BY_HAND[engine]))
    return compared(f"{engine}:create to ready", min(ours), min(theirs), "docker run of the same image")


def by_hand(image, data, options, ready):
    """The same by the client of Docker: a container with the data on the host, asked until it is ready."""
    with tempfile.TemporaryDirectory() as directory:
        began = time.monotonic()
        name = docker("run", "--detach", *options, f"--volume={directory}:{data}", image).strip()
        asked = ["docker", "exec", name, *ready]
        wait_for("it is ready", lambda: subprocess.run(asked, **QUIET).returncode == 0, pause=0.05)
        took = time.monotonic() - began
        docker("rm", "--force", "--volumes", name)
        docker("run", "--rm", f"--volume={directory}:/data", image, "find", "/data", "-mindepth", "1", "-delete")
    return took


def imported(server, dump, rounds):
    """Into an empty database each time: by the engine's client, by Slipway on top, by Slipway into a fresh directory."""

    def emptied(words):
        sql(server, "bench", "DROP TABLE IF EXISTS rows; CHECKPOINT;")
        return timed(words, input=dump)

    own = best(rounds, lambda: emptied(inside(server, "bench", RESTORE)))
    merged = best(rounds, lambda: emptied(server.ssh(f"{ENGINE}:import", "--merge", "bench")))
    whole = best(rounds, lambda: timed(server.ssh(f"{ENGINE}:import", "bench"), input=dump))
    return [
        compared("import --merge of it", merged, own),
        compared("import of it, into a fresh data directory and with every row counted", whole, own),
    ]


def compared(what, ours, theirs, whose="the engine's own client"):
    say(f"       {what}: {ours:.1f} s, {theirs:.1f} s by itself")
    ratio = ours / theirs
    return Row(what, f"{ours:.2f} s", f"{theirs:.2f} s, {whose}", f"{ratio:.2f} ×", f"≤ {GOAL} ×", ratio <= GOAL)


def best(rounds, work):
    return min(work() for _ in range(rounds or ROUNDS))


def timed(words, input=os.devnull, output=os.devnull):
    with open(input, "rb") as stdin, open(output, "wb") as stdout:
        began = time.monotonic()
        subprocess.run(words, stdin=stdin, stdout=stdout, check=True, env=ENVIRONMENT)
        return time.monotonic() - began


def container(server, engine, service):
    words = server.ssh(f"{engine}:info", service, "--id")
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def inside(server, service, words):
    return ["docker", "exec", "--interactive", container(server, ENGINE, service), *words]


def sql(server, service, text):
    words = inside(server, service, ["psql", "--quiet", "--set=ON_ERROR_STOP=1", "--username=postgres", "--dbname=bench"])
    subprocess.run(words, input=text, text=True, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
