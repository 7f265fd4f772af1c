"""OpenSSH's own server on a loopback port, for comparison."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess

from server import wait_for


class Sshd(contextlib.AbstractContextManager):
    """An `sshd` with default algorithms that lets this client in as whoever runs the bench."""

    def __init__(self, server):
        self.client = server.client
        self.directory = os.path.join(server.directory, "sshd")
        self.home = os.path.join(self.directory, "home")
        os.makedirs(self.home)
        self.user = getpass.getuser()
        self.port = free_port()

    def __enter__(self):
        # As root it wants the directory to which it confines its helper; Debian makes it when the service starts.
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        host_key = os.path.join(self.directory, "host_key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key], check=True)
        config = os.path.join(self.directory, "config")
        with open(config, "w", encoding="utf-8") as file:
            file.write(
                f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {host_key}\nPidFile none\n"
                f"AuthorizedKeysFile {self.client.key}.pub\nStrictModes no\nPermitRootLogin prohibit-password\n"
                "PasswordAuthentication no\nUsePAM no\nMaxStartups 100\nPrintMotd no\n"
                # Debian's bash reads ~/.bashrc for every command that sshd runs. Whatever somebody keeps there would
                # count against sshd, by hundreds of milliseconds; an empty home makes the shell a plain one.
                f"SetEnv HOME={self.home}\n"
            )
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            raise RuntimeError("there is no sshd to compare with: apt-get install openssh-server")
        log = os.path.join(self.directory, "log")
        self.process = subprocess.Popen([program, "-D", "-f", config, "-E", log])
        wait_for("sshd listens", self._listens)
        self._check_home()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _check_home(self):
        found = subprocess.run(self.ssh("echo $HOME"), check=True, capture_output=True, text=True).stdout.strip()
        if found != self.home:
            raise RuntimeError(f"the shell behind sshd is not a plain one: its home is {found}")

    def ssh(self, *words):
        return self.client.ssh(self.port, self.user, *words)

    def git_url(self, path):
        return f"ssh://{self.user}@127.0.0.1:{self.port}{path}"


def free_port():
    """A port that nobody has now. sshd cannot be given port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
