"""The three proxies, each with one worker thread, and what stands behind them."""

import contextlib
import os
import signal
import socket
import subprocess
import time

HOST = "bench.test"
LARGE = 64 << 10
# The proxy's core; the load and the backend share the other one.
PROXY_CORE, OTHER_CORE = 0, 1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_listening(port, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args} does not listen on {port}")


def make_certificate(directory):
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem", "-days", "2"]
    words += ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    subprocess.run(words, check=True, capture_output=True)
    os.chmod(f"{directory}/key.pem", 0o644)


class Proxy(contextlib.AbstractContextManager):
    """A running proxy. `wrapper` is put in front of its command line, to count what it does."""

    name = ""
    wrapper_ends_with = signal.SIGTERM

    def __init__(self, directory, backend, wrapper=(), hosts=1):
        self.directory = directory
        self.backend = backend
        self.hosts = hosts
        self.port, self.tls_port = free_port(), free_port()
        self.counted = bool(wrapper)
        pin = [] if wrapper else ["taskset", "--cpu-list", str(PROXY_CORE)]
        log = open(os.path.join(directory, f"{self.name}.out"), "w", encoding="utf-8")
        self.process = subprocess.Popen([*wrapper, *pin, *self.command()], stdout=log, stderr=log)
        log.close()
        self.wait_until_ready()

    def wait_until_ready(self):
        wait_until_listening(self.port, self.process)
        wait_until_listening(self.tls_port, self.process)

    def command(self):
        raise NotImplementedError

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def process_id(self):
        """The process that does the work."""
        return self.process.pid

    def processor_nanoseconds(self):
        """What all its threads have used, from the scheduler's own books."""
        total = 0
        base = f"/proc/{self.process_id()}/task"
        for task in os.listdir(base):
            with open(f"{base}/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total

    def resident_bytes(self):
        with open(f"/proc/{self.process_id()}/status", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if self.name == "Slipway" else signal.SIGTERM)
        self.process.wait(timeout=120)

    def __exit__(self, *_):
        self.stop()


class Slipway(Proxy):
    name = "Slipway"
    binary = None

    def wait_until_ready(self):
        """It listens before it has its certificate, and says when it has."""
        super().wait_until_ready()
        deadline = time.monotonic() + 60
        while "listening on" not in self.said():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the router is not ready: {self.said()}")
            time.sleep(0.05)

    def said(self):
        with open(os.path.join(self.directory, f"{self.name}.out"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def command(self):
        instances = '[{ id = "1", label = "web.1", address = "127.0.0.1" }]'
        ports = (
            f'[{{ entrance = "http", container-port = {self.backend.port} }}, '
            f'{{ entrance = "https", container-port = {self.backend.port} }}]'
        )
        names = [HOST] + [f"host-{number}.test" for number in range(1, self.hosts)]
        apps = "".join(
            f'[[apps]]\napp = "app-{number}"\nhosts = [{{ host = "{name}" }}]\nports = {ports}\ninstances = {instances}\n'
            for number, name in enumerate(names)
        )
        head = (
            f'listen = "127.0.0.1:{self.port}"\nlisten-https = "127.0.0.1:{self.tls_port}"\nworkers = 1\n'
            f'certificate = "{self.directory}/cert.pem"\nkey = "{self.directory}/key.pem"\n'
            f'access-log = "{self.directory}/slipway.log"\n'
        )
        return [self.binary, self.write("slipway.toml", head + apps)]


class Nginx(Proxy):
    name = "nginx"

    def command(self):
        path = self.write(
            "nginx.conf",
            f"""daemon off; pid {self.directory}/nginx.pid; error_log {self.directory}/nginx.err;
worker_processes 1; worker_rlimit_nofile 20000;
{"master_process off;" if self.counted else ""}
events {{ worker_connections 9000; }}
http {{
  access_log {self.directory}/nginx.log combined;
  keepalive_requests 100000000; http2_max_requests 100000000;
  client_body_temp_path {self.directory}/t1; proxy_temp_path {self.directory}/t2; fastcgi_temp_path {self.directory}/t3;
  uwsgi_temp_path {self.directory}/t4; scgi_temp_path {self.directory}/t5;
  ssl_certificate {self.directory}/cert.pem; ssl_certificate_key {self.directory}/key.pem;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:10m;
  upstream app {{ server 127.0.0.1:{self.backend.port}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{self.port} backlog=4096; listen 127.0.0.1:{self.tls_port} ssl http2 backlog=4096;
    server_name {HOST};
    proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Port $server_port;
    proxy_set_header X-Request-ID $request_id; proxy_set_header X-Request-Start $msec;
    location / {{ proxy_pass http://app; proxy_set_header Connection ""; }}
    location /ws {{
      proxy_pass http://127.0.0.1:{self.backend.echo_port}; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }}
  }}
}}
""",
        )
        return ["nginx", "-c", path]

    def process_id(self):
        if self.counted:
            return self.process.pid
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:
            return int(file.read().split()[0])


class Haproxy(Proxy):
    name = "HAProxy"

    def command(self):
        with open(f"{self.directory}/both.pem", "w", encoding="ascii") as both:
            for part in ("cert.pem", "key.pem"):
                with open(f"{self.directory}/{part}", encoding="ascii") as file:
                    both.write(file.read())
        path = self.write(
            "haproxy.cfg",
            f"""global
  nbthread 1
  maxconn 9000
  log stdout format raw local0
  ssl-default-bind-options ssl-min-ver TLSv1.2
  tune.ssl.default-dh-param 2048
defaults
  mode http
  log global
  option httplog
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout tunnel 1h
frontend all
  bind 127.0.0.1:{self.port} backlog 4096
  bind 127.0.0.1:{self.tls_port} ssl crt {self.directory}/both.pem alpn h2,http/1.1 backlog 4096
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Request-ID %[uuid()]
  http-request set-header X-Request-Start %[date()]
  acl known hdr(host),host_only -i {HOST}
  use_backend echo if {{ path /ws }}
  use_backend app if known
backend app
  server one 127.0.0.1:{self.backend.port}
backend echo
  server one 127.0.0.1:{self.backend.echo_port}
""",
        )
        return ["haproxy", "-db", "-f", path]


class PlainBackend(contextlib.AbstractContextManager):
    """A server that needs no package, for what is counted and not timed."""

    def __init__(self):
        self.port = free_port()
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plain.py")
        self.process = subprocess.Popen(["python3", script, str(self.port)])
        wait_until_listening(self.port, self.process)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


class Backend(contextlib.AbstractContextManager):
    """One nginx with two answers, and a server that takes an upgrade and echoes."""

    def __init__(self, directory):
        self.port, self.echo_port = free_port(), free_port()
        with open(os.path.join(directory, "large"), "wb") as file:
            file.write(os.urandom(LARGE))
        path = os.path.join(directory, "backend.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                f"""daemon off; master_process off; pid {directory}/backend.pid; error_log {directory}/backend.err;
worker_rlimit_nofile 20000;
events {{ worker_connections 9000; }}
http {{
  access_log off; keepalive_requests 100000000; sendfile on; tcp_nopush on; open_file_cache max=10;
  client_body_temp_path {directory}/b1; proxy_temp_path {directory}/b2; fastcgi_temp_path {directory}/b3;
  uwsgi_temp_path {directory}/b4; scgi_temp_path {directory}/b5;
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    location /small {{ default_type text/plain; return 200 "{"x" * 63}\\n"; }}
    location /large {{ alias {directory}/large; }}
    location /ws {{ proxy_pass http://127.0.0.1:{self.echo_port}; proxy_http_version 1.1;
                    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }}
  }}
}}
"""
            )
        pin = ["taskset", "--cpu-list", str(OTHER_CORE)]
        self.nginx = subprocess.Popen([*pin, "nginx", "-c", path])
        echo = os.path.join(os.path.dirname(os.path.abspath(__file__)), "echo.py")
        self.echo = subprocess.Popen([*pin, "python3", echo, str(self.echo_port)])
        wait_until_listening(self.port, self.nginx)
        wait_until_listening(self.echo_port, self.echo)

    def __exit__(self, *_):
        for process in (self.nginx, self.echo):
            process.terminate()
            process.wait(timeout=30)
