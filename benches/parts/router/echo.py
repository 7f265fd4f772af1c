"""A server that accepts every upgrade and sends back what it gets; for the bench of WebSocket messages."""

import asyncio
import sys

# The answer to the key of the specification's own example (RFC 6455, section 1.3), which is what the bench sends.
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self):
        self.head = b""
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self.head is None:
            self.transport.write(data)
            return
        self.head += data
        if b"\r\n\r\n" in self.head:
            rest = self.head.split(b"\r\n\r\n", 1)[1]
            self.head = None
            self.transport.write(ANSWER + rest)


async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    await server.serve_forever()


asyncio.run(main())
