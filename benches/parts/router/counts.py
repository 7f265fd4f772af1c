"""What a proxy spends on a request: instructions, system calls, processor time."""

import os
import re
import signal
import subprocess
import time

COLLECTED = re.compile(r"Collected : (\d+)")
# What Rust asks the allocator, and what C asks the library.
ALLOCATING = re.compile(r"(mi_(malloc|zalloc|realloc)_aligned|malloc|calloc|realloc|posix_memalign)$")


def nanoseconds(proxy, send, count):
    """Processor time of the proxy for each of `count` requests."""
    before = proxy.processor_nanoseconds()
    send(count)
    return (proxy.processor_nanoseconds() - before) / count


def system_calls(proxy, send, count, without=()):
    """System calls of the proxy for each of `count` requests, except for those with some names."""
    log = os.path.join(proxy.directory, "strace.txt")
    tracer = subprocess.Popen(
        ["strace", "--summary-only", "--follow-forks", "--output", log, "--attach", str(proxy.process_id())],
        stderr=subprocess.PIPE,
        text=True,
    )
    # It says that it is attached, once for the process and its threads.
    line = tracer.stderr.readline()
    if "attached" not in line:
        raise RuntimeError(f"strace: {line}")
    time.sleep(0.3)
    send(count)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(timeout=30)
    with open(log, encoding="ascii") as file:
        rows = [line.split() for line in file]
    # Share, seconds, time of each, calls, perhaps errors, name; below a line of dashes and above another.
    calls = {row[-1]: int(row[3]) for row in rows if len(row) > 4 and row[3].isdigit() and row[-1] != "total"}
    return sum(number for name, number in calls.items() if name not in without) / count


def instructions(start, send_to, count, profile="/dev/null"):
    """User-space instructions for a request, counted by callgrind while requests are sent and not before."""
    words = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={profile}")
    with start(words) as proxy:
        send = send_to(proxy)
        send(100)
        count_instructions(proxy, "on")
        send(count)
        count_instructions(proxy, "off")
        proxy.stop()
        with open(os.path.join(proxy.directory, f"{proxy.name}.out"), encoding="utf-8", errors="replace") as file:
            found = COLLECTED.findall(file.read())
    if not found:
        raise RuntimeError(f"callgrind told nothing of {proxy.name}")
    return int(found[-1]) / count


def allocations(profile):
    """How often memory was asked for, by a profile of callgrind's: calls of allocating functions by any other."""
    names, caller, callee, total = {}, "", "", 0
    with open(profile, encoding="utf-8", errors="replace") as file:
        for line in file:
            kind, _, rest = line.rstrip("\n").partition("=")
            if kind in ("fn", "cfn"):
                # A name is told once, with its number.
                number, _, name = rest.partition(" ")
                name = names.setdefault(number, name)
                caller, callee = (name, callee) if kind == "fn" else (caller, name)
            elif kind == "calls" and ALLOCATING.match(callee) and not ALLOCATING.match(caller):
                total += int(rest.split()[0])
    return total


def count_instructions(proxy, switch):
    words = ["callgrind_control", f"--instr={switch}", str(proxy.process.pid)]
    subprocess.run(words, check=True, capture_output=True)
