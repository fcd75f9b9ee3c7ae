"""What a program asks name servers for, and with whom it connects, in a network that is ours alone.

    unshare --net --mount python lookups.py COMMANDS.json

Runs commands at once in a network namespace without a way out. The only name server in it is this script, which
answers every name with 127.0.0.1, where it also listens. Prints a JSON list of what was asked for. It needs root.
"""

import fcntl
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def main() -> None:
    """Run what the file says, for as long as it says, and print what was asked for."""
    asked = json.loads(Path(sys.argv[1]).read_text())
    begin_loopback()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as servers:
        servers.write("nameserver 127.0.0.1\n")
        servers.flush()
        subprocess.run(["mount", "--bind", servers.name, "/etc/resolv.conf"], check=True)
        seen: list[str] = []
        threading.Thread(target=answer_names, args=[listen(socket.SOCK_DGRAM, 53), seen], daemon=True).start()
        threading.Thread(target=answer_calls, args=[listen(socket.SOCK_STREAM, 443), seen], daemon=True).start()
        socket.gethostbyname("watched.invalid")  # this script's own: it shows that a look-up is seen
        began_at = time.monotonic()
        began = [subprocess.Popen(command, env=asked["environment"]) for command in asked["commands"]]
        for process in began:
            try:
                process.wait(max(0.1, began_at + asked["timeout_s"] - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait()
        print(json.dumps(seen))


def begin_loopback() -> None:
    """What `ip link set lo up` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh", b"lo", 0)
        _, flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def listen(kind: int, port: int) -> socket.socket:
    """A socket of this kind on 127.0.0.1."""
    listening = socket.socket(socket.AF_INET, kind)
    listening.bind(("127.0.0.1", port))
    if kind == socket.SOCK_STREAM:
        listening.listen()
    return listening


def answer_names(server: socket.socket, seen: list[str]) -> None:
    """Note every question, and answer those for an IPv4 address with 127.0.0.1 (RFC 1035, section 4)."""
    while True:
        question, client = server.recvfrom(2000)
        place, labels = 12, []
        while question[place]:
            labels.append(question[place + 1 : place + 1 + question[place]].decode("latin-1"))
            place += 1 + question[place]
        seen.append(".".join(labels))
        is_address = question[place + 1 : place + 3] == b"\0\x01"
        answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01" if is_address else b""
        head = question[:2] + b"\x81\x80\0\x01" + (b"\0\x01" if is_address else b"\0\0") + bytes(4)
        server.sendto(head + question[12 : place + 5] + answer, client)


def answer_calls(server: socket.socket, seen: list[str]) -> None:
    """Note every connection, and end it."""
    while True:
        connection, _ = server.accept()
        seen.append("a connection to port 443")
        connection.close()


if __name__ == "__main__":
    main()
