"""A gigabyte through `run`: every byte, and how much of it the server holds at a time."""

import os
import subprocess
import threading
import time

from report import Row, say

BYTES = 1 << 30
CHUNK = 1 << 20


def measure(server, _rounds=None):
    server.push(server.hello_repository("run"), "bench", "main")
    idle = server.idle_memory_kib()
    server.forget_peak()
    began = time.monotonic()
    pump(server.ssh("run", "bench", "cat"))
    took = time.monotonic() - began
    peak = server.memory_kib("VmHWM", file="status")
    above = (peak - idle) / 1024
    speed = BYTES / took / 1e6
    say(f"       {took:.1f} s, {above:.1f} MiB above {idle / 1024:.1f} MiB")
    return [
        Row("1 GB through run", f"{took:.1f} s, {speed:.0f} MB/s each way", "", "every byte the same", "", None),
        Row("memory during it", f"{peak / 1024:.1f} MiB at most", f"idle: {idle / 1024:.1f} MiB", f"{above:+.1f} MiB"),
    ]


def chunk(number, block):
    """One MiB that is like no other."""
    return number.to_bytes(8, "little") + block


def pump(words):
    """Sends a gigabyte that does not compress through a command while reading it back, and compares."""
    block = os.urandom(CHUNK - 8)
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def feed():
        with process.stdin as stdin:
            for number in range(BYTES // CHUNK):
                stdin.write(chunk(number, block))

    feeder = threading.Thread(target=feed)
    feeder.start()
    for number in range(BYTES // CHUNK):
        if process.stdout.read(CHUNK) != chunk(number, block):
            process.kill()
            raise RuntimeError(f"what came back differs in MiB {number}")
    rest = process.stdout.read()
    feeder.join()
    if process.wait() != 0 or rest:
        raise RuntimeError(f"run ended with {process.returncode} and {len(rest)} bytes too many")
