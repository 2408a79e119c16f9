"""A machine at the other end of an address that says whatever a test wants it to say."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ssl import SSLContext

Talk = Callable[[socket.socket], object]


@contextmanager
def scripted_server(talk: Talk, context: SSLContext | None = None) -> Iterator[int]:
    """A listener that calls `talk` with every connection, after the first request; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept_connections() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        try:
            wrapped = context.wrap_socket(connection, server_side=True) if context else connection
            wrapped.recv(4096)
            talk(wrapped)
            wrapped.close()
        except OSError:
            return

    threading.Thread(target=accept_connections, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def http_response(status: int, kind: str = "text/html", body: bytes = b"", extra: str = "") -> Talk:
    """A talk of one HTTP response; `extra` are further header lines."""
    head = f"HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{extra}\r\n".encode()
    return lambda connection: connection.sendall(head + body)
