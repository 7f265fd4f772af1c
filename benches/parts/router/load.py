"""What is sent to a proxy: by h2load where it can, by hand where it cannot."""

import os
import socket
import ssl
import statistics
import subprocess
import time

from proxies import HOST, OTHER_CORE

CONNECTIONS = 16
# How long connections rest before they count as idle. The allocator gives back what it has some seconds later.
REST_SECONDS = 8


def h2load(proxy, kind, path, count, rate=None, log=None, in_turn=False):
    """Sends `count` requests over kept connections. `kind` is h1, tls (h1 over TLS) or h2 (over TLS).

    `in_turn` sends each after the answer to the one before, so that what happens is the same every time.
    """
    port = proxy.port if kind == "h1" else proxy.tls_port
    scheme = "http" if kind == "h1" else "https"
    words = ["taskset", "--cpu-list", str(OTHER_CORE), "h2load", f"--connect-to=127.0.0.1:{port}"]
    connections, streams = (1, 1) if in_turn else (CONNECTIONS, 1) if kind != "h2" else (4, 4)
    words += ["-n", str(count), "-c", str(connections), "-m", str(streams), "-t", "1"]
    if kind != "h2":
        words.append("--h1")
    if rate:
        words += ["--rps", str(rate / connections), f"--log-file={log}"]
    done = subprocess.run([*words, f"{scheme}://{HOST}{path}"], capture_output=True, text=True, check=False)
    if f"{count} succeeded" not in done.stdout or f"{count} 2xx" not in done.stdout:
        raise RuntimeError(f"{proxy.name} failed requests of {kind} {path}:\n{done.stdout}{done.stderr}")


def latencies(log):
    """Durations in microseconds of a log that h2load wrote, sorted."""
    with open(log, encoding="ascii") as file:
        figures = sorted(int(line.split("\t")[2]) for line in file)
    os.unlink(log)
    return figures


def percentile(figures, share):
    return figures[min(len(figures) - 1, int(len(figures) * share))]


def context():
    """A client that asks for nobody's papers and resumes nothing."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def connect(proxy, encrypted, made=None):
    stream = socket.create_connection(("127.0.0.1", proxy.tls_port if encrypted else proxy.port), timeout=30)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made.wrap_socket(stream, server_hostname=HOST) if encrypted else stream


def ask(stream, keep):
    """One request on a connection, to the end of its answer."""
    close = "" if keep else "Connection: close\r\n"
    stream.sendall(f"GET /small HTTP/1.1\r\nHost: {HOST}\r\n{close}\r\n".encode())
    answer = b""
    while b"x\n" not in answer:
        part = stream.recv(4096)
        if not part:
            raise RuntimeError(f"cut: {answer!r}")
        answer += part
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(answer.decode())


def new_connections(proxy, encrypted, count):
    """A connection for each request."""
    made = context()
    for _ in range(count):
        with connect(proxy, encrypted, made) as stream:
            ask(stream, keep=False)


def messages(proxy, count):
    """Messages of 100 bytes to a server that sends them back, one after the other on one connection."""
    with connect(proxy, False) as stream:
        stream.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += stream.recv(4096)
        if not answer.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(answer.decode())
        # A masked text frame of 94 bytes (RFC 6455, section 5.2); nobody here looks into it.
        frame = b"\x81\xde\0\0\0\0" + b"y" * 94
        for _ in range(count):
            stream.sendall(frame)
            left = len(frame)
            while left:
                left -= len(stream.recv(left))


def idle(proxy, encrypted, count):
    """Connections that have asked once and have rested for a while. Gives bytes of the proxy's memory for each."""
    made = context()
    warm = [connect(proxy, encrypted, made) for _ in range(50)]
    for stream in warm:
        ask(stream, keep=True)
    time.sleep(REST_SECONDS)
    before = proxy.resident_bytes()
    resting = []
    for _ in range(count):
        resting.append(connect(proxy, encrypted, made))
        ask(resting[-1], keep=True)
    time.sleep(REST_SECONDS)
    after = proxy.resident_bytes()
    for stream in warm + resting:
        stream.close()
    return (after - before) / count


def middle(figures):
    return statistics.median(figures)
