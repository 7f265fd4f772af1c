"""A server with two answers and nothing that could vary: what stands behind the router while its work is counted."""

import asyncio
import sys

HEAD = "HTTP/1.1 200 OK\r\nServer: plain\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\r\n"
ANSWERS = {path: HEAD.format(size).encode() + b"x" * size for path, size in ((b"/small", 64), (b"/large", 64 << 10))}


class Plain(asyncio.Protocol):
    """One connection, on which requests without bodies come one after the other."""

    def __init__(self):
        self.asked = b""
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        *heads, self.asked = (self.asked + data).split(b"\r\n\r\n")
        for head in heads:
            self.transport.write(ANSWERS[head.split(b" ", 2)[1]])


async def main():
    server = await asyncio.get_running_loop().create_server(Plain, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
