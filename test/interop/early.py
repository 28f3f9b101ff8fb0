# SPDX-License-Identifier: BSD-3-Clause
"""Fast Open with Linux's or Tern's sockets, for the interop tests.

early.py client HOST PORT N   N requests for a page, each in a SYN; says how many were acknowledged there,
                              how many asked for a cookie, how many had one and were refused, of how many
                              the SYN was sent again without them, and with how many anything was sent again
early.py server HOST PORT WHEN  answers each connection's first bytes; Fast Open is set "before" or
                              "after" it is bound
early.py option HOST PORT     what connect() does with TCP_FASTOPEN_CONNECT
early.py keep HOST PORT       sends a line to an echo service for each line on stdin, and says what
                              comes; the first line in a SYN
"""
import signal
import socket
import sys

MSG_FASTOPEN = 0x20000000
TCP_FASTOPEN = 23
TCP_FASTOPEN_CONNECT = 30
SYN_DATA = 0x20
OPTIONS_AT, FAIL_AT, TOTAL_RETRANS_AT = 5, 7, 100  # in struct tcp_info
WHY = {1: "asked", 2: "refused", 3: "again"}  # tcpi_fastopen_client_fail


def make(host):
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)


def how_it_went(s):
    """A word, and whether something was sent again."""
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    again = info[TOTAL_RETRANS_AT:TOTAL_RETRANS_AT + 4] != bytes(4)
    if info[OPTIONS_AT] & SYN_DATA:
        return "early", again
    return WHY.get(info[FAIL_AT] >> 1 & 3, "nobody knows why"), again


def client(host, port, n):
    went = []
    signal.alarm(60)  # sockets that block: no time-out of Python's
    for _ in range(n):
        s = make(host)
        s.sendto(b"GET / HTTP/1.0\r\n\r\n", MSG_FASTOPEN, (host, port))
        answer = b""
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            answer += piece
        if not answer.startswith(b"HTTP/1.1 200 "):
            sys.exit("another answer: %r" % answer[:100])
        went.append(how_it_went(s))
        s.close()
    words = [word for word, _ in went]
    print(*map(words.count, ("early", "asked", "refused", "again")), sum(again for _, again in went))


def option(host, port):
    s = make(host)
    s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    try:
        s.connect((host, port))
    except ConnectionRefusedError:
        print("refused")
        return
    try:
        s.getpeername()
        print("connected")
    except OSError:
        print("deferred")


def server(host, port, when):
    listener = make(host)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if when == "before":
        listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
    listener.bind((host, port))
    if when == "after":
        listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
    listener.listen(16)
    print("listening", flush=True)
    while True:
        s, _ = listener.accept()
        s.recv(65536)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nLinux")
        s.close()


def keep(host, port):
    s = make(host)
    line = sys.stdin.readline()
    s.sendto(line.encode(), MSG_FASTOPEN, (host, port))
    print(s.recv(65536).decode(), end="", flush=True)
    for line in sys.stdin:
        s.sendall(line.encode())
        print(s.recv(65536).decode(), end="", flush=True)


what, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if what == "client":
    client(host, port, int(sys.argv[4]))
elif what == "option":
    option(host, port)
elif what == "server":
    server(host, port, sys.argv[4])
else:
    keep(host, port)
