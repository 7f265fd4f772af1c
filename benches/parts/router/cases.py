"""What is measured, and how often."""

import contextlib
import os
import resource
import shutil
import tempfile
from functools import partial

import counts
import load
from proxies import Backend, Haproxy, Nginx, Slipway, make_certificate
from tables import Row, say

PROXIES = (Slipway, Nginx, Haproxy)
ROUNDS = 5
FIXED_RATE, FIXED_SECONDS, FIXED_ROUNDS = 2000, 3, 9


def kept(kind, path):
    return lambda proxy: partial(load.h2load, proxy, kind, path)


def fresh(encrypted):
    return lambda proxy: partial(load.new_connections, proxy, encrypted)


# Name: what it is, how it is sent, requests of a round, the goal of processor time against nginx, whether at a rate.
CASES = {
    "h1-small": ("64 bytes, HTTP/1.1", kept("h1", "/small"), 40_000, 1.0, ("h1", "/small")),
    "h1-large": ("64 KiB, HTTP/1.1", kept("h1", "/large"), 12_000, 0.75, ("h1", "/large")),
    "tls-small": ("64 bytes, HTTP/1.1 over TLS", kept("tls", "/small"), 30_000, 1.0, ("tls", "/small")),
    "tls-large": ("64 KiB, HTTP/1.1 over TLS", kept("tls", "/large"), 6_000, 0.75, ("tls", "/large")),
    "h2-small": ("64 bytes, HTTP/2 over TLS", kept("h2", "/small"), 30_000, 1.0, ("h2", "/small")),
    "h2-large": ("64 KiB, HTTP/2 over TLS", kept("h2", "/large"), 6_000, 0.75, ("h2", "/large")),
    "new": ("a new connection each", fresh(False), 2_000, 1.0, None),
    "new-tls": ("a new TLS connection each", fresh(True), 600, 1.0, None),
    "websocket": ("a WebSocket message and its echo", lambda proxy: partial(load.messages, proxy), 15_000, 1.0, None),
}
PARTS = (*CASES, "idle", "hosts")


class Bench(contextlib.AbstractContextManager):
    """Holds what all parts share: the backend and a certificate."""

    def __init__(self, binary, quick):
        # Thousands of connections are held at once.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 30_000), hard))
        Slipway.binary = binary
        self.quick = quick
        self.directory = tempfile.mkdtemp(prefix="slipway-bench-router-")
        os.chmod(self.directory, 0o755)
        make_certificate(self.directory)
        self.backend = Backend(self.directory)

    def __exit__(self, *_):
        self.backend.__exit__()
        shutil.rmtree(self.directory)

    def measure(self, part):
        say(f"-----> {part}")
        if part == "idle":
            return [self.idle(False), self.idle(True)]
        return [self.many_hosts()] if part == "hosts" else self.case(part)

    def start(self, kind, wrapper=(), hosts=1):
        return kind(self.directory, self.backend, wrapper, hosts)

    def case(self, part):
        what, send_to, count, goal, rated = CASES[part]
        count = count // 5 if self.quick else count
        with contextlib.ExitStack() as stack:
            proxies = [stack.enter_context(self.start(kind)) for kind in PROXIES]
            times = {proxy.name: [] for proxy in proxies}
            for number in range(ROUNDS + 1):
                for proxy in proxies:
                    spent = counts.nanoseconds(proxy, send_to(proxy), count)
                    # The first round warms up.
                    if number:
                        times[proxy.name].append(spent / 1000)
            calls = {proxy.name: counts.system_calls(proxy, send_to(proxy), min(count, 2000)) for proxy in proxies}
            rates = self.at_a_rate(proxies, *rated) if rated and not self.quick else {}
        few = 300 if "new" in part else 2000
        instructions = {kind.name: counts.instructions(partial(self.start, kind), send_to, few) for kind in PROXIES}
        best = {name: min(figures) for name, figures in times.items()}
        rows = [
            Row(what, "processor time, µs", best, "nginx", goal),
            Row(what, "instructions, thousands", {name: value / 1000 for name, value in instructions.items()}, "nginx"),
            Row(what, "system calls", calls, "nginx"),
        ]
        for share, name, goal in ((0.5, "p50", None), (0.99, "p99", 1.0), (0.999, "p99.9", None)):
            if rates:
                figures = {proxy: load.middle([load.percentile(run, share) for run in runs]) for proxy, runs in rates.items()}
                rows.append(Row(what, f"{name} at {FIXED_RATE}/s, µs", figures, "HAProxy", goal))
        for row in rows:
            say(f"       {row.measure}: " + ", ".join(f"{name} {value:.1f}" for name, value in row.figures.items()))
        return rows

    def at_a_rate(self, proxies, kind, path):
        runs = {proxy.name: [] for proxy in proxies}
        log = os.path.join(self.directory, "h2load.txt")
        for _ in range(FIXED_ROUNDS):
            for proxy in proxies:
                load.h2load(proxy, kind, path, FIXED_RATE * FIXED_SECONDS, FIXED_RATE, log)
                runs[proxy.name].append(load.latencies(log))
        return runs

    def idle(self, encrypted):
        what = "an idle connection" + (" over TLS" if encrypted else "")
        count = 500 if self.quick else (1500 if encrypted else 4000)
        figures = {}
        for kind in PROXIES:
            with self.start(kind) as proxy:
                figures[kind.name] = load.idle(proxy, encrypted, count) / 1024
        return Row(what, "memory, KiB", figures, "nginx", 1.0)

    def many_hosts(self):
        """One host against ten thousand, both under callgrind, since the difference is far below any noise."""
        send_to = kept("h1", "/small")
        figures = {}
        for name, hosts in (("Slipway", 10_000), ("one host", 1)):
            start = partial(self.start, Slipway, hosts=hosts)
            figures[name] = counts.instructions(start, send_to, 2000) / 1000
        return Row("10,000 hosts in the table", "instructions, thousands", figures, "one host", 1.02)
