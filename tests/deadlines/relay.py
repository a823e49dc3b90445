"""A relay in front of a vendor, which can go down like a host or a network."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

__all__ = ["Relay"]

#: How often a thread checks whether it should end, in seconds.
TICK = 0.02
#: More than the backlog of a socket that listens for one connection.
BACKLOG = 4


class Relay:
    """Forwards connections to a port of this machine until it goes down.

    :param port: the vendor's port
    """

    def __init__(self, port: int) -> None:
        self._vendor = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._listening.settimeout(TICK)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._is_down = threading.Event()
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Relay:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()

    def refuse(self) -> None:
        """Drop all connections and refuse new ones, like a host without the service."""
        self._go_down()
        self._listening.close()

    def swallow(self) -> None:
        """Drop all connections and do not respond to new ones, like a firewall."""
        self._go_down()
        for _ in range(BACKLOG):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(self._listening.getsockname())
            self._open.append(waiting)

    def _go_down(self) -> None:
        self._is_down.set()
        self._accepting.join()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _accept(self) -> None:
        while not self._is_down.is_set():
            with suppress(TimeoutError):
                client, _ = self._listening.accept()
                client.setblocking(True)
                vendor = socket.create_connection(self._vendor)
                self._open += [client, vendor]
                for pair in ((client, vendor), (vendor, client)):
                    threading.Thread(target=_forward, args=pair, daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
