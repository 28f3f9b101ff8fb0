# SPDX-License-Identifier: BSD-3-Clause
"""Fast Open with Linux's or Tern's sockets, for the interop tests.

early.py client HOST PORT N   N requests for a page, each in a SYN; says how many were acknowledged there
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
OPTIONS_AT = 5  # in struct tcp_info


def make(host):
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)


def was_early(s):
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return info[OPTIONS_AT] & SYN_DATA != 0


def client(host, port, n):
    early = 0
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
        early += was_early(s)
        s.close()
    print(early)


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
