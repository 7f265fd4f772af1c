"""A Docker engine of the bench's own, in a network namespace of its own, which may be stopped and started again.

The process itself moves into the namespace, so the server, its clients and the containers are all in there. That
takes root. `DOCKER_HOST` and `SLIPWAY_DOCKER` lead to it for as long as it is there.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile

from server import docker, wait_for

CLONE_NEWNET = 0x40000000
BASE_IMAGE = "debian:bookworm-slim"
LIBC = ctypes.CDLL(None, use_errno=True)


def checked(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


class PrivateEngine:
    """Starts containerd and dockerd; on leaving, all of it is gone."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="slipway-bench-engine-")
        self.before = {name: os.environ.get(name) for name in ("DOCKER_HOST", "SLIPWAY_DOCKER")}
        image = os.path.join(self.directory, "base.tar")
        docker("save", "--output", image, BASE_IMAGE)
        self.namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
        checked(LIBC.unshare(CLONE_NEWNET), "no network namespace can be made; run the bench as root")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        os.environ["SLIPWAY_DOCKER"] = self._path("docker.sock")
        os.environ["DOCKER_HOST"] = f"unix://{self._path('docker.sock')}"
        self.daemon = None
        self.containerd = self._start_containerd()
        self.start()
        docker("load", "--input", image)
        os.unlink(image)
        return self

    def __exit__(self, *_):
        # All of the containers are the server's, which has removed them by now.
        self.stop()
        self.containerd.send_signal(signal.SIGTERM)
        self.containerd.wait()
        checked(LIBC.setns(self.namespace, CLONE_NEWNET), "the way back to the host's network")
        os.close(self.namespace)
        for name, value in self.before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        options = {
            "--host": os.environ["DOCKER_HOST"],
            "--containerd": self._path("containerd.sock"),
            "--data-root": self._path("data"),
            "--exec-root": self._path("exec"),
            "--pidfile": self._path("pid"),
            "--config-file": self._file("daemon.json", "{}"),
        }
        self.daemon = self._daemon("dockerd", options)
        wait_for("the engine answers", self._answers)

    def stop(self):
        """As a service manager does: the engine stops its containers too."""
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait()

    def cpu_seconds(self):
        """Processor time that the engine has used up to now, containers and their helpers left out."""
        return sum(cpu_seconds(process.pid) for process in (self.daemon, self.containerd))

    def _start_containerd(self):
        settings = 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        options = {
            "--config": self._file("containerd.toml", settings),
            "--root": self._path("containerd"),
            "--state": self._path("exec/containerd"),
            "--address": self._path("containerd.sock"),
        }
        process = self._daemon("containerd", options)
        wait_for("containerd listens", lambda: os.path.exists(self._path("containerd.sock")))
        return process

    def _daemon(self, program, options):
        words = [program, *(word for pair in options.items() for word in pair)]
        with open(self._path("log"), "ab") as log:
            # However the bench ends, its daemons end with it.
            return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *words], stdout=log, stderr=log)

    def _answers(self):
        try:
            return docker("version", "--format", "{{.Server.Version}}")
        except RuntimeError:
            return None

    def _file(self, name, text):
        with open(self._path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self._path(name)

    def _path(self, name):
        return os.path.join(self.directory, name)


def cpu_seconds(pid):
    """User and system time of a process and its threads, in seconds (proc(5), `stat`)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
