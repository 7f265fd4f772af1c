"""A running `slipway serve` with a root, ports and a client's key of its own; all of it goes when it is left."""

import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The one-file app: a Dockerfile, a Procfile, and a web server in Perl.
HELLO = os.path.join(SOURCES, "tests/apps/hello")
DOMAIN = "bench.localhost"
BOUND_SECONDS = 120


def wait_for(what, look, bound=BOUND_SECONDS, pause=0.002):
    """Looks until there is something, and returns it."""
    deadline = time.monotonic() + bound
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {bound} s in vain: {what}")
        time.sleep(pause)


def get(address, host, path="/"):
    """The text of an answer with status 200, or None."""
    connection = http.client.HTTPConnection(*address, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        text = answer.read().decode()
        return text if answer.status == 200 else None
    except OSError:
        return None
    finally:
        connection.close()


class Client:
    """An OpenSSH client and a git with a key of their own; nothing of the real person's settings is used."""

    def __init__(self, directory):
        self.directory = directory
        self.key = os.path.join(directory, "key")
        self.config = os.path.join(directory, "ssh_config")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(
                f"IdentityFile {self.key}\nIdentitiesOnly yes\nIdentityAgent none\n"
                f"UserKnownHostsFile {directory}/known_hosts\nGlobalKnownHostsFile /dev/null\n"
                "StrictHostKeyChecking accept-new\nBatchMode yes\nLogLevel ERROR\n"
            )

    def public_key(self):
        with open(f"{self.key}.pub", "rb") as file:
            return file.read()

    def ssh(self, port, user, *words):
        """The words of a command that runs `words` on a server."""
        return ["ssh", "-F", self.config, "-p", str(port), f"{user}@127.0.0.1", "--", *words]

    def environment(self):
        environment = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
        environment.update(
            HOME=self.directory,
            LC_ALL="C",
            GIT_SSH_COMMAND=f"ssh -F '{self.config}'",
            GIT_CONFIG_GLOBAL="/dev/null",
            GIT_CONFIG_NOSYSTEM="1",
            GIT_TERMINAL_PROMPT="0",
        )
        for role in ("AUTHOR", "COMMITTER"):
            environment[f"GIT_{role}_NAME"] = "Bench"
            environment[f"GIT_{role}_EMAIL"] = "bench@example.com"
        return environment

    def git(self, repository, *words):
        subprocess.run(
            ["git", *words], cwd=repository, env=self.environment(), check=True, stdout=subprocess.DEVNULL
        )

    def repository(self, name):
        """An empty repository with the branch `main`."""
        path = os.path.join(self.directory, name)
        os.mkdir(path)
        self.git(path, "init", "-q", "-b", "main")
        return path

    def commit(self, repository, message):
        self.git(repository, "add", "--all")
        self.git(repository, "commit", "-q", "-m", message)


class Server:
    """The server under measurement, and a client that may push to it."""

    def __init__(self, binary, throwaway_engine=False):
        self.binary = binary
        # Its networks and images go with it; an engine that was restarted does not always let go of a network.
        self.throwaway_engine = throwaway_engine

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="slipway-bench-")
        self.root = os.path.join(self.directory, "root")
        os.mkdir(self.root)
        self.client = Client(self.directory)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.directory,
            "SLIPWAY_ROOT": self.root,
            "SLIPWAY_SSH_LISTEN": "127.0.0.1:0",
            "SLIPWAY_HTTP_LISTEN": "127.0.0.1:0",
            "SLIPWAY_DOMAIN": DOMAIN,
        }
        # Lets somebody profile with `SLIPWAY_LOG=slipway=debug`; figures for the table need the default.
        for name in ("SLIPWAY_LOG", "SLIPWAY_DOCKER"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        self.log = open(os.path.join(self.directory, "server.log"), "wb")
        self.process = subprocess.Popen(
            [self.binary, "serve"], env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        try:
            listening = wait_for("the server listens", self._listening)
            self.ssh_port = int(listening["ssh"].rsplit(":", 1)[1])
            self.http_address = ("127.0.0.1", int(listening["http"].rsplit(":", 1)[1]))
            self.command("ssh-keys:add", "bench", input=self.client.public_key())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
        if "SLIPWAY_BENCH_LOG" in os.environ:
            shutil.copy(self.log.name, os.environ["SLIPWAY_BENCH_LOG"])
        self._remove_from_engine()
        shutil.rmtree(self.directory)

    def _listening(self):
        if self.process.poll() is not None:
            with open(self.log.name, encoding="utf-8") as log:
                raise RuntimeError(f"the server ended:\n{log.read()}")
        try:
            with open(os.path.join(self.root, "listen.json"), encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def command(self, *words, input=b""):
        """Runs a command over the server's Unix socket."""
        subprocess.run(
            [self.binary, *words], env=self.environment, input=input, check=True, stdout=subprocess.DEVNULL
        )

    def ssh(self, *words):
        return self.client.ssh(self.ssh_port, "slipway", *words)

    def git_url(self, app):
        return f"ssh://slipway@127.0.0.1:{self.ssh_port}/{app}"

    def host(self, app):
        return f"{app}.{DOMAIN}"

    def get(self, app):
        return get(self.http_address, self.host(app))

    def hello_repository(self, name):
        """A repository with the one-file app in one commit."""
        repository = self.client.repository(name)
        shutil.copytree(HELLO, repository, dirs_exist_ok=True)
        self.client.commit(repository, "The hello app")
        return repository

    def hello_without_dockerfile(self, name):
        """The same for the buildpacks."""
        repository = self.hello_repository(name)
        self.client.git(repository, "rm", "-q", "Dockerfile")
        with open(os.path.join(repository, "Procfile"), "w", encoding="utf-8") as file:
            file.write("web: perl hello.pl\n")
        self.client.commit(repository, "By buildpacks")
        return repository

    def push(self, repository, app, *references):
        """Pushes, and fails with what was said if it is refused."""
        words = ["git", "push", "-q", self.git_url(app), *references]
        pushed = subprocess.run(words, cwd=repository, env=self.client.environment(), capture_output=True, text=True)
        if pushed.returncode != 0:
            raise RuntimeError(f"the push of {app} was refused:\n{pushed.stderr}")

    def memory_kib(self, field="Rss", file="smaps_rollup"):
        """One figure of the server's memory as the kernel counts it, in KiB."""
        with open(f"/proc/{self.process.pid}/{file}", encoding="utf-8") as text:
            return int(re.search(rf"^{field}:\s+(\d+) kB", text.read(), re.MULTILINE).group(1))

    def idle_memory_kib(self, field="Rss"):
        """The figure once it has stayed the same for two seconds."""
        last, since = None, time.monotonic()

        def settled():
            nonlocal last, since
            now = self.memory_kib(field)
            if now != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > 2

        wait_for("the memory settles", settled, pause=0.1)
        return last

    def forget_peak(self):
        """Has the kernel count the highest figure (`VmHWM`) anew."""
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="utf-8") as file:
            file.write("5")

    def containers(self):
        """The ids of this server's containers."""
        return docker("ps", "--all", "--quiet", "--filter", self._filter()).split()

    def wait_until_calm(self, containers):
        """Waits until only so many containers are left: what was replaced has gone."""
        wait_for("old containers go", lambda: len(self.containers()) == containers, pause=0.1)

    def _filter(self):
        with open(os.path.join(self.root, "owner"), encoding="utf-8") as file:
            return f"label=slipway.owner={file.read().strip()}"

    def _remove_from_engine(self):
        if not os.path.exists(os.path.join(self.root, "owner")):
            return
        remove(["rm", "--force"], self.containers())
        if self.throwaway_engine:
            return
        remove(["network", "rm"], docker("network", "ls", "--quiet", "--filter", self._filter()).split())
        images = docker("images", "--quiet", "--filter", self._filter()).split()
        remove(["rmi", "--force"], sorted(set(images)))


def docker(*words, **options):
    """Runs the engine's own client, in the API version of the oldest engine that is supported."""
    environment = {"DOCKER_API_VERSION": "1.41", **os.environ}
    ran = subprocess.run(["docker", *words], env=environment, capture_output=True, text=True, **options)
    if ran.returncode != 0:
        raise RuntimeError(f"docker {' '.join(words)}: {ran.stderr}")
    return ran.stdout


def remove(command, names):
    """Removes things of ours from the engine, if there are any."""
    if names:
        docker(*command, *names)
