#!/usr/bin/env python3
"""The usual ways to pull images in Python, each as short as people write it, and well done.

    python_ways.py WAY LIST FOLDER [--at-once N] [--cacert PEM]

    loop        requests, one URL after the other over one session
    threads     requests in a pool of threads, a session for each
    processes   requests in a pool of processes, a session for each
    aiohttp     asyncio with aiohttp: batches, retries, and a row of REPORT.csv for each URL
    select      plain sockets and select: HTTP/1.1 over kept connections
    epoll       the same with epoll
    ten         requests, the first URL ten times, through its redirects

`scripts/bench-python` runs them beside ringpull and others. They promise what such scripts promise:
all of a list of one host, whole answers with a length, and an exception for the rest. Without
--at-once each holds as many connections as its library does when it is not told, and the plain
sockets are 64. The three first and the last need requests, `aiohttp` needs aiohttp.
"""

import argparse
import asyncio
import collections
import concurrent.futures
import csv
import pathlib
import select
import socket
import ssl
import threading
import time
import urllib.parse

TIMEOUT_S = 30
# As many URLs are in one batch of `aiohttp`, and are tried so often.
BATCH, TRIES = 500, 3


def file_of(url, folder):
    return folder / url.rsplit("/", 1)[1]


# --- requests -------------------------------------------------------------------------------------


def new_session(cacert):
    import requests

    session = requests.Session()
    session.verify = cacert or True
    return session


def pull(session, url, file):
    # What the session verifies by, given again: the environment stands above the session.
    response = session.get(url, timeout=TIMEOUT_S, verify=session.verify)
    response.raise_for_status()
    file.write_bytes(response.content)


def loop(urls, folder, _at_once, cacert):
    session = new_session(cacert)
    for url in urls:
        pull(session, url, file_of(url, folder))


def threads(urls, folder, at_once, cacert):
    of_thread = threading.local()

    def pull_here(url):
        if not hasattr(of_thread, "session"):
            of_thread.session = new_session(cacert)
        pull(of_thread.session, url, file_of(url, folder))

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        collections.deque(pool.map(pull_here, urls), maxlen=0)


def begin_process(folder, cacert):
    global session_here, folder_here
    session_here, folder_here = new_session(cacert), folder


def pull_in_process(url):
    pull(session_here, url, file_of(url, folder_here))


def processes(urls, folder, at_once, cacert):
    with concurrent.futures.ProcessPoolExecutor(
            at_once, initializer=begin_process, initargs=(folder, cacert)) as pool:
        collections.deque(pool.map(pull_in_process, urls, chunksize=10), maxlen=0)


def ten(urls, folder, _at_once, cacert):
    session = new_session(cacert)
    for number in range(10):
        pull(session, urls[0], folder / f"{number:02}.jpg")


# --- aiohttp --------------------------------------------------------------------------------------


async def pull_with_retries(session, url, folder):
    """Gives the row of the URL."""
    import aiohttp

    begun = time.monotonic()
    for attempt in range(1, TRIES + 1):
        status, size, error = "", "", ""
        try:
            async with session.get(url) as response:
                status = response.status
                response.raise_for_status()
                body = await response.read()
            file_of(url, folder).write_bytes(body)
            size = len(body)
            break
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as caught:
            error = repr(caught)
            if attempt < TRIES:
                await asyncio.sleep(0.5 * 2 ** attempt)
    return [url, status, size, attempt, round(time.monotonic() - begun, 3), error]


async def pull_batches(urls, folder, at_once, cacert):
    import aiohttp

    context = ssl.create_default_context(cafile=cacert)
    many = {} if at_once is None else {"limit": at_once}
    with open(folder / "REPORT.csv", "w", newline="") as file:
        report = csv.writer(file)
        report.writerow(["url", "status", "bytes", "attempts", "seconds", "error"])
        async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, **many),
                timeout=aiohttp.ClientTimeout(sock_read=TIMEOUT_S)) as session:
            for at in range(0, len(urls), BATCH):
                batch = urls[at:at + BATCH]
                report.writerows(await asyncio.gather(
                    *(pull_with_retries(session, url, folder) for url in batch)))
                file.flush()


def with_aiohttp(urls, folder, at_once, cacert):
    asyncio.run(pull_batches(urls, folder, at_once, cacert))


# --- sockets --------------------------------------------------------------------------------------

READ, WRITE = "read", "write"
MANY = 64


class Connection:
    """A kept connection that takes URLs off the list. `advance` goes on to where the socket would
    block, and gives what it has to wait for: None at the end."""

    def __init__(self, urls, folder, address, context):
        self.urls, self.folder, self.address, self.context = urls, folder, address, context
        self.socket = socket.socket()
        self.steps = self.talk()

    def fileno(self):
        return self.socket.fileno()

    def advance(self):
        return next(self.steps, None)

    def talk(self):
        self.socket.setblocking(False)
        self.socket.connect_ex(self.address)
        yield WRITE
        if self.context:
            self.socket = self.context.wrap_socket(
                self.socket, server_hostname=self.address[0], do_handshake_on_connect=False)
            yield from self.until_done(self.socket.do_handshake)
        while self.urls:
            url = self.urls.popleft()
            parts = urllib.parse.urlsplit(url)
            request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
            while request:
                request = request[(yield from self.until_done(self.socket.send, request)):]
            file_of(url, self.folder).write_bytes((yield from self.answer(url)))
        self.socket.close()

    def answer(self, url):
        """Reads one answer to its end. Gives the body."""
        read = bytearray()
        while b"\r\n\r\n" not in read:
            read += yield from self.some_bytes(url)
        head, _, body = read.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(":") for line in lines)}
        if status.split()[1] != "200":
            raise OSError(f"{url}: {status}")
        length = int(fields["content-length"])
        while len(body) < length:
            body += yield from self.some_bytes(url)
        return body

    def some_bytes(self, url):
        got = yield from self.until_done(self.socket.recv, 1 << 16)
        if not got:
            raise OSError(f"{url}: the connection ended")
        return got

    def until_done(self, call, *arguments):
        while True:
            try:
                return call(*arguments)
            except (BlockingIOError, ssl.SSLWantReadError) as error:
                yield WRITE if call == self.socket.send and not isinstance(
                    error, ssl.SSLWantReadError) else READ
            except ssl.SSLWantWriteError:
                yield WRITE


def connections(urls, folder, at_once, cacert):
    parts = urllib.parse.urlsplit(urls[0])
    context = ssl.create_default_context(cafile=cacert) if parts.scheme == "https" else None
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    left = collections.deque(urls)
    return [Connection(left, folder, (parts.hostname, port), context)
            for _ in range(min(at_once or MANY, len(urls)))]


def with_select(urls, folder, at_once, cacert):
    waiting = {one: one.advance() for one in connections(urls, folder, at_once, cacert)}
    while waiting:
        readable, writable, _ = select.select(
            [one for one, what in waiting.items() if what == READ],
            [one for one, what in waiting.items() if what == WRITE], [], TIMEOUT_S)
        if not readable and not writable:
            raise TimeoutError(f"nothing came for {TIMEOUT_S} s")
        for one in readable + writable:
            waiting[one] = one.advance()
            if waiting[one] is None:
                del waiting[one]


def with_epoll(urls, folder, at_once, cacert):
    events = {READ: select.EPOLLIN, WRITE: select.EPOLLOUT}
    poll, waiting = select.epoll(), {}
    for one in connections(urls, folder, at_once, cacert):
        what = one.advance()
        poll.register(one, events[what])
        waiting[one.fileno()] = one, what
    while waiting:
        ready = poll.poll(TIMEOUT_S)
        if not ready:
            raise TimeoutError(f"nothing came for {TIMEOUT_S} s")
        for number, _ in ready:
            one, before = waiting.pop(number)
            what = one.advance()
            if what is not None:
                waiting[number] = one, what
                if what != before:
                    poll.modify(number, events[what])


WAYS = {"loop": loop, "threads": threads, "processes": processes, "aiohttp": with_aiohttp,
        "select": with_select, "epoll": with_epoll, "ten": ten}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", metavar="WAY", choices=list(WAYS))
    parser.add_argument("list", metavar="LIST", type=pathlib.Path)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("--at-once", metavar="N", type=int)
    parser.add_argument("--cacert", metavar="PEM")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    urls = options.list.read_text().split()
    if urls:
        WAYS[options.way](urls, options.folder, options.at_once, options.cacert)


if __name__ == "__main__":
    main()
