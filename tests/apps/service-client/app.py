"""An app that keeps rows in whatever DATABASE_URL (or another variable) leads to.

GET  /rows             the numbers that are kept, one a line
POST /rows?n=7         keeps a number; 200 only once the database has acknowledged it
GET  /connect?to=H:P   whether that can be connected to: 200 or 504
GET  /env?name=X       a variable
Each takes var=NAME for another variable than DATABASE_URL.
"""

import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class Sql:
    def __init__(self, connection, mark):
        self.connection, self.mark = connection, mark

    def run(self, text, *values):
        cursor = self.connection.cursor()
        cursor.execute(text, values)
        return cursor

    def prepare(self):
        self.run("CREATE TABLE IF NOT EXISTS kept (n BIGINT PRIMARY KEY)")
        self.connection.commit()

    def keep(self, number):
        self.run("INSERT INTO kept (n) VALUES (%s)", number)
        self.connection.commit()

    def rows(self):
        return sorted(row[0] for row in self.run("SELECT n FROM kept").fetchall())


class Redis:
    def __init__(self, connection):
        self.connection = connection

    def prepare(self):
        self.connection.ping()

    def keep(self, number):
        self.connection.sadd("kept", number)

    def rows(self):
        return sorted(int(member) for member in self.connection.smembers("kept"))

    def close(self):
        self.connection.close()


def open_store(url):
    parts = urlsplit(url)
    if parts.scheme.startswith("postgres"):
        import psycopg2

        return Sql(psycopg2.connect(url, connect_timeout=10), "%s")
    if parts.scheme.startswith(("mysql", "mariadb")):
        import pymysql

        return Sql(
            pymysql.connect(
                host=parts.hostname, port=parts.port, user=unquote(parts.username),
                password=unquote(parts.password), database=parts.path.lstrip("/"), connect_timeout=10,
            ),
            "%s",
        )
    import redis

    return Redis(redis.Redis.from_url(url, socket_timeout=10))


def kept(url, number=None):
    store = open_store(url)
    try:
        if number is None:
            try:
                return store.rows()
            except Exception:
                store.connection.rollback()
                store.prepare()
                return store.rows()
        store.keep(number)
        return [number]
    finally:
        store.connection.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.handle_all(True)

    def do_GET(self):
        self.handle_all(False)

    def handle_all(self, writes):
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        url = os.environ.get(query.get("var", "DATABASE_URL"), "")
        try:
            if parts.path == "/rows":
                rows = kept(url, int(query["n"]) if writes else None)
                self.answer(200, "".join(f"{row}\n" for row in rows))
            elif parts.path == "/env":
                self.answer(200, os.environ.get(query["name"], ""))
            elif parts.path == "/connect":
                host, port = query["to"].rsplit(":", 1)
                try:
                    socket.create_connection((host, int(port)), timeout=3).close()
                    self.answer(200, "connected\n")
                except OSError as error:
                    self.answer(504, f"{error}\n")
            else:
                self.answer(200, "a client of services\n")
        except Exception as error:  # The test wants to see it.
            self.answer(500, f"{type(error).__name__}: {error}\n")

    def log_message(self, *arguments):
        pass


ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("", int(os.environ.get("PORT", "5000"))), Handler).serve_forever()
