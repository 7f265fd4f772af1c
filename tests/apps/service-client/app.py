"""An app that keeps rows in whatever DATABASE_URL (or another variable) leads to: a table, a set, a queue, a bucket.

GET  /rows             the numbers that are kept, one a line
POST /rows?n=7         keeps a number; 200 only once the service has acknowledged it
GET  /count            how many there are
GET  /connect?to=H:P   whether that can be connected to: 200 or 504
GET  /env?name=X       a variable
Each takes var=NAME for another variable than DATABASE_URL, or url=URL for one of nobody's.
"""

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

# Each client is imported where it is needed: an instance that keeps rows in one service is to start quickly.
SECONDS = 10


class Store:
    def count(self):
        return len(self.rows())


class Sql(Store):
    def __init__(self, connection):
        self.connection = connection

    def run(self, text, *values):
        cursor = self.connection.cursor()
        cursor.execute(text, values)
        return cursor

    def keep(self, number):
        self.run("INSERT INTO kept (n) VALUES (%s)", number)
        self.connection.commit()

    def rows(self):
        try:
            return self.numbers()
        except Exception:
            self.connection.rollback()
            self.run("CREATE TABLE IF NOT EXISTS kept (n BIGINT PRIMARY KEY)")
            self.connection.commit()
            return self.numbers()

    def numbers(self):
        return [row[0] for row in self.run("SELECT n FROM kept").fetchall()]

    def close(self):
        self.connection.close()


class Redis(Store):
    def __init__(self, url):
        import redis

        self.connection = redis.Redis.from_url(url, socket_timeout=SECONDS)

    def keep(self, number):
        self.connection.sadd("kept", number)

    def rows(self):
        return [int(member) for member in self.connection.smembers("kept")]

    def close(self):
        self.connection.close()


class Amqp(Store):
    """A durable queue. What is read of it is given back."""

    # The app makes its queue once: one that the broker has lost is not to be made anew unseen.
    made = False

    def __init__(self, url):
        import pika

        self.lasting = pika.BasicProperties(delivery_mode=2)
        self.connection = pika.BlockingConnection(pika.URLParameters(f"{url}?socket_timeout={SECONDS}"))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        if not Amqp.made:
            self.channel.queue_declare("kept", durable=True)
            Amqp.made = True

    def keep(self, number):
        self.channel.basic_publish("", "kept", str(number).encode(), self.lasting, mandatory=True)

    def rows(self):
        found = []
        # No more than there are by now: behind those who write it would never see the end.
        waiting = self.count()
        while len(found) < waiting and (message := self.channel.basic_get("kept"))[0]:
            found.append(int(message[2]))
        self.channel.basic_nack(0, multiple=True)
        # Answered by the queue once it has them again, so that the next reader finds all of them.
        self.count()
        return found

    def count(self):
        return self.channel.queue_declare("kept", passive=True).method.message_count

    def close(self):
        self.connection.close()


class Memcached(Store):
    def __init__(self, address):
        import pymemcache

        self.connection = pymemcache.Client(address, connect_timeout=SECONDS, timeout=SECONDS, default_noreply=False)

    def keep(self, number):
        self.connection.add("kept", b"")
        if not self.connection.append("kept", f"{number} ".encode()):
            raise OSError("the cache has not taken it")

    def rows(self):
        return [int(number) for number in (self.connection.get("kept") or b"").split()]

    def close(self):
        self.connection.close()


class Objects(Store):
    """An object for each number, in the bucket that the variables of the link name."""

    # Reading what it knows of S3 takes long; clients have to be made one at a time.
    session = None
    making = threading.Lock()

    def __init__(self, parts):
        import boto3

        self.bucket = parts.path.lstrip("/")
        with self.making:
            Objects.session = self.session or boto3.Session()
            self.client = self.session.client(
                "s3", endpoint_url=f"http://{parts.hostname}:{parts.port}", region_name=os.environ["AWS_REGION"],
                aws_access_key_id=parts.username, aws_secret_access_key=unquote(parts.password),
            )

    def keep(self, number):
        self.client.put_object(Bucket=self.bucket, Key=f"kept/{number}", Body=str(number).encode())

    def names(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="kept/")
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def rows(self):
        return [int(self.client.get_object(Bucket=self.bucket, Key=name)["Body"].read()) for name in self.names()]

    def count(self):
        return len(self.names())

    def close(self):
        pass


def open_store(url):
    parts = urlsplit(url)
    match parts.scheme:
        case "postgres":
            import psycopg2

            return Sql(psycopg2.connect(url, connect_timeout=SECONDS))
        case "mysql":
            import pymysql

            return Sql(pymysql.connect(
                host=parts.hostname, port=parts.port, user=unquote(parts.username), password=unquote(parts.password),
                database=parts.path.lstrip("/"), connect_timeout=SECONDS,
            ))
        case "redis":
            return Redis(url)
        case "amqp":
            return Amqp(url)
        case "memcached":
            return Memcached((parts.hostname, parts.port))
        case "s3":
            return Objects(parts)
        case scheme:
            raise ValueError(f"there is no URL, or one that begins with {scheme}")


def asked(path, url, number=None):
    store = open_store(url)
    try:
        if path == "/count":
            return [store.count()]
        if number is None:
            return sorted(store.rows())
        store.keep(number)
        return [number]
    finally:
        store.close()


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
        url = query.get("url") or os.environ.get(query.get("var", "DATABASE_URL"), "")
        try:
            if parts.path in ("/rows", "/count"):
                numbers = asked(parts.path, url, int(query["n"]) if writes else None)
                self.answer(200, "".join(f"{number}\n" for number in numbers))
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
