"""What the measuring scripts share: programs, servers, CPUs, clients, and the form of results.

Imported by scripts/bench-*; does nothing by itself. Standard library only.
"""

import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import random
import re
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

REPO = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = pathlib.Path(sys.argv[0]).name
SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
CONGESTION = "cubic"
CONGESTION_FILE = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")
RUN_SECONDS_MAX = 120
BLOCK_BYTES = 1 << 20
# Set in the environment of a script that has started itself again in namespaces.
INSIDE = "RINGPULL_BENCH_INSIDE"


def say(text):
    print(f"{SCRIPT}: {text}", file=sys.stderr, flush=True)


def die(text):
    sys.exit(f"{SCRIPT}: {text}")


# --- programs -------------------------------------------------------------------------------------


def find(program):
    return shutil.which(program, path=SEARCH_PATH)


def build(targets):
    """Builds the program `ringpull` and benches as asked, and gives the path of each."""
    if not targets:
        return {}
    command = ["cargo", "build", "--release", "--locked",
               "--message-format=json-render-diagnostics"]
    for target in targets:
        command += ["--bin" if target == "ringpull" else "--bench", target]
    say(f"cargo build --release: {', '.join(targets)}")
    built = subprocess.run(command, cwd=REPO, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        die("the build failed")
    messages = map(json.loads, built.stdout.splitlines())
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}


# --- servers --------------------------------------------------------------------------------------


def make_certificates(scratch, names="IP:127.0.0.1,DNS:localhost"):
    """A CA and a server certificate for `names`, both ECDSA P-256: ca.pem, leaf.pem, leaf.key."""
    openssl = find("openssl")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    (scratch / "leaf.ext").write_text(
        "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
        f"subjectAltName={names}\n")
    commands = [
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
         "-subj", "/CN=ringpull bench CA"],
        ["req", *key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=bench"],
        ["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
         "-out", "leaf.pem", "-days", "30", "-extfile", "leaf.ext"],
    ]
    for command in commands:
        subprocess.run([openssl, *command], cwd=scratch, check=True, capture_output=True)


NGINX_CONF = """\
{user}daemon off;
worker_processes 1;
pid {scratch}/nginx.pid;
error_log {scratch}/nginx.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 600s;
    keepalive_requests 1000000;
    client_body_temp_path {scratch}/nginx-body;
    proxy_temp_path {scratch}/nginx-proxy;
    fastcgi_temp_path {scratch}/nginx-fastcgi;
    uwsgi_temp_path {scratch}/nginx-uwsgi;
    scgi_temp_path {scratch}/nginx-scgi;
    types {{ }}
    default_type application/octet-stream;
    root {scratch}/www;
{servers}}}
"""


def start_nginx(scratch, servers, cpu, sockets=()):
    """nginx on one CPU with these `server` blocks, which may listen at `sockets` made before."""
    user = "user root;\n" if os.geteuid() == 0 else ""
    text = NGINX_CONF.format(scratch=scratch, user=user, servers=servers)
    (scratch / "nginx.conf").write_text(text)
    numbers = [one.fileno() for one in sockets]
    environment = {"PATH": SEARCH_PATH}
    if numbers:
        environment["NGINX"] = "".join(f"{number};" for number in numbers)
    with pinned(cpu):
        return subprocess.Popen(
            [find("nginx"), "-p", str(scratch), "-e", str(scratch / "nginx.log"),
             "-c", str(scratch / "nginx.conf")],
            env=environment, pass_fds=numbers, stdin=subprocess.DEVNULL)


# No cache of open files: it would need as many descriptors as there are files, and a server without
# descriptors accepts nobody.
NGINX_HTTP = "    server {{ listen 127.0.0.1:{http}; }}\n"
NGINX_TLS = """\
    server {{
        listen 127.0.0.1:{https} ssl;
        ssl_certificate {scratch}/leaf.pem;
        ssl_certificate_key {scratch}/leaf.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:bench:1m;
        ssl_prefer_server_ciphers on;
        ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384;
        ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
    }}
"""


class Nginx:
    """nginx on one CPU, on sockets that were made here, which serves `www` of `scratch`. For https
    the certificates of `make_certificates` are there already."""

    def __init__(self, scratch, schemes, cpu):
        self.worker = None
        sockets = {scheme: listener() for scheme in ("http", *set(schemes) - {"http"})}
        self.ports = {scheme: s.getsockname()[1] for scheme, s in sockets.items()}
        self.congestion = accepted_congestion(sockets["http"])
        blocks = NGINX_HTTP + (NGINX_TLS if "https" in sockets else "")
        servers = blocks.format(scratch=scratch, **self.ports)
        self.process = start_nginx(scratch, servers, cpu, sockets.values())
        self.configuration = (scratch / "nginx.conf").read_text()
        for one in sockets.values():
            one.close()

    def wait_until_ready(self, path, log):
        """The sockets listen already; the first answer says that the worker is there."""
        url = f"http://127.0.0.1:{self.ports['http']}{path}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(url, timeout=30).close()
        except OSError as error:
            die(f"nginx does not answer: {error}\n{log.read_text() if log.exists() else ''}")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.worker = int(children.read_text().split()[0])

    def cpu_s(self):
        """CPU time of the worker so far."""
        return cpu_seconds(self.worker)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


def block():
    """The bytes that all served files are taken from."""
    return random.Random(1).randbytes(BLOCK_BYTES)


class Host:
    """A running benches/host.rs, which behaves as its settings say."""

    def __init__(self, program, scratch, cpu, *settings):
        path = scratch / "block"
        if not path.exists():
            path.write_bytes(block())
        with pinned(cpu):
            self.process = subprocess.Popen([program, "serve", str(path), *settings],
                                            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.port = int(self.process.stdout.readline())

    def url(self, size, number, name="127.0.0.1"):
        return f"http://{name}:{self.port}/{size}/file-{number}.bin"

    def cpu_s(self):
        return cpu_seconds(self.process.pid)

    def stats(self):
        """What it counted."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/stats", timeout=30) as response:
            return json.load(response)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Origin:
    """A running `ringpull origin`: its URLs, and the certificate that it is trusted by."""

    def __init__(self, program, folder, cpu):
        self.folder = folder
        with pinned(cpu):
            self.process = subprocess.Popen([program, "origin", "--dir", str(folder)],
                                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                            stdin=subprocess.DEVNULL)
        self.process.stdout.readline()
        told = json.loads((folder / "origin.json").read_text())
        self.urls = {scheme: told[scheme] for scheme in ("http", "https")}
        self.ca = told["ca"]

    def cpu_s(self):
        """CPU time of all its threads, ended ones too: it has one for each connection."""
        return cpu_of_process(self.process.pid)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_for_port(address):
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(address, 1):
            return
        time.sleep(0.05)
    die(f"nothing listens at {address}")


def listener():
    """A listening socket whose accepted sockets send with cubic, or what is permitted."""
    one = socket.socket()
    for name in (CONGESTION, "reno"):
        with contextlib.suppress(OSError):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
            break
    one.bind(("127.0.0.1", 0))
    one.listen(1024)
    return one


def accepted_congestion(one):
    """What a socket accepted there really sends with."""
    with socket.create_connection(one.getsockname()), one.accept()[0] as accepted:
        name = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    return name.rstrip(b"\0").decode()


@contextlib.contextmanager
def default_congestion():
    """Sets the default of new sockets for the runs where that is permitted, and puts it back."""
    before = CONGESTION_FILE.read_text().strip()
    try:
        with contextlib.suppress(OSError):
            CONGESTION_FILE.write_text(CONGESTION)
        yield CONGESTION_FILE.read_text().strip()
    finally:
        if CONGESTION_FILE.read_text().strip() != before:
            CONGESTION_FILE.write_text(before)


# --- clients --------------------------------------------------------------------------------------


@contextlib.contextmanager
def pinned(*cpus):
    """What is started inside runs on these CPUs and stays there; so do its children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclasses.dataclass
class Client:
    """What one run of a client cost. `fault` says how it failed."""

    wall_s: float
    user_s: float
    sys_s: float
    rss_kib: int
    usage: resource.struct_rusage
    status: int
    log: str
    fault: str | None

    @property
    def cpu_s(self):
        return self.user_s + self.sys_s


def run_client(command, cpus, environment, folder):
    """Runs a client on its CPUs to its end, at most RUN_SECONDS_MAX."""
    with tempfile.TemporaryFile(dir=folder) as output:
        with pinned(*cpus):
            begun = time.monotonic()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, env=environment, cwd=folder)
        rss_kib, is_late = watch(process)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        log = output.read().decode(errors="replace")
    # The kernel starts ru_maxrss at the size of the process that forked: this one. It is exact
    # only above that; below, the samples stand.
    if usage.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
        rss_kib = max(rss_kib, usage.ru_maxrss)
    fault = f"killed after {RUN_SECONDS_MAX} s" if is_late else None
    if process.returncode and not is_late:
        fault = f"exit status {process.returncode}"
    return Client(wall_s, usage.ru_utime, usage.ru_stime, rss_kib, usage,
                  process.returncode, log, fault)


def watch(process):
    """Waits for the end; gives the largest resident size seen on the way, and if it was killed."""
    deadline = time.monotonic() + RUN_SECONDS_MAX
    pidfd = os.pidfd_open(process.pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    rss_kib, pause_ms, is_late = 0, 5, False
    try:
        while not poll.poll(pause_ms):
            rss_kib = max(rss_kib, peak_kib(process.pid))
            pause_ms = min(100, pause_ms * 2)
            if time.monotonic() > deadline:
                is_late = True
                process.kill()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        os.close(pidfd)
    return rss_kib, is_late


def peak_kib(pid):
    """The largest resident size of a process so far; with children, what all hold now, where what
    they share counts once."""
    with contextlib.suppress(OSError):
        family = list(descendants(pid))
        if family:
            return sum(map(own_kib, [pid, *family]))
    with contextlib.suppress(OSError):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found.group(1)) if found else 0
    return 0


def descendants(pid):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            with contextlib.suppress(OSError):
                yield from descendants(int(child))


def own_kib(pid):
    with contextlib.suppress(OSError):
        found = re.search(r"Pss:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text())
        return int(found.group(1)) if found else 0
    return 0


def cpu_seconds(pid):
    """CPU time of a process' first thread: in nanoseconds where the kernel counts so, else ticks."""
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/schedstat").read_text()
        return int(text.split()[0]) / 1e9
    return cpu_of_process(pid)


def cpu_of_process(pid):
    """CPU time of all threads of a process, ended ones too, in ticks of the kernel."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def walk(folder):
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path)
        else:
            yield entry


def has_same_samples(one, other):
    """Whether 64 KiB at the start, the middle and the end are the same."""
    size = os.path.getsize(other)
    if not one.exists() or os.path.getsize(one) != size:
        return False
    with open(one, "rb") as a, open(other, "rb") as b:
        for at in (0, size // 2, max(0, size - 65536)):
            a.seek(at)
            b.seek(at)
            if a.read(65536) != b.read(65536):
                return False
    return True


# --- the machine ----------------------------------------------------------------------------------


def filesystem_of(path):
    """Type and options of the file system that holds a path."""
    best = ("", "unknown")
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if pathlib.Path(path).is_relative_to(mount) and len(mount) > len(best[0]):
            best = (mount, f"{kind} ({options})")
    return best[1]


def read_or_none(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return None


def mitigations():
    folder = pathlib.Path("/sys/devices/system/cpu/vulnerabilities")
    found = {file.name: read_or_none(file) for file in sorted(folder.glob("*"))}
    return {name: text for name, text in found.items() if text != "Not affected"}


def git(*words):
    shown = subprocess.run(["git", *words], cwd=REPO, capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def scrubbed(text):
    """Without the paths of this machine."""
    text = text.replace(str(REPO), ".")
    return re.sub(r"(?<![\w$.])/(?:[\w.+-]+/)+([\w.+-]+)", r".../\1", text)


def warn_of_load():
    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"the machine is busy (load {load:.2f}): expect wide spreads")


def version_of(program):
    """What a program says of its version; None when it is not there."""
    path = find(program)
    if not path:
        return None
    flag = "-v" if pathlib.Path(path).name == "nginx" else "--version"
    told = subprocess.run([path, flag], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.+-]*", told.stdout + told.stderr)
    return found.group() if found else None


def facts_of_machine(bench, programs):
    """What else one must know to read the numbers."""
    uname = os.uname()
    found = re.search(r"model name\s*:\s*(.*)", read_or_none("/proc/cpuinfo") or "")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": f"scripts/{SCRIPT} " + scrubbed(" ".join(sys.argv[1:])),
        "git_commit": git("rev-parse", "HEAD"),
        "git_is_dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        "kernel": f"{uname.sysname} {uname.release} {uname.machine}",
        "cpu": found.group(1) if found else uname.machine,
        "cpus_online": os.cpu_count(),
        "cpu_server": bench.cpu_server, "cpu_client": bench.cpu_client,
        "filesystem": filesystem_of(bench.scratch),
        "versions": {name: version_of(name) for name in programs},
        "load_before": os.getloadavg()[0],
    }


# --- numbers --------------------------------------------------------------------------------------


def spread(values):
    """Median, least and largest; None of nothing."""
    return (statistics.median(values), min(values), max(values)) if values else None


def shown(values, digits=2):
    """Median (least–largest) of some numbers."""
    if not values:
        return "–"
    middle, low, high = (f"{value:.{digits}f}" for value in spread(values))
    return f"{middle} ({low}–{high})"


def target(text, value, most=None, least=None, note=""):
    """A line that says whether a number keeps what was promised."""
    is_kept = value is not None and (most is None or value <= most) and \
        (least is None or value >= least)
    bound = f"at most {most:g}" if least is None else f"at least {least:g}"
    found = "nothing" if value is None else f"{value:.3g}"
    return f"Target: {text} {bound}: {found}: **{'pass' if is_kept else 'FAIL'}**{note}"


# --- scenarios ------------------------------------------------------------------------------------


class Bench:
    """What all scenarios of one run share."""

    def __init__(self, options, scratch):
        self.options = options
        self.scratch = scratch
        cpus = sorted(os.sched_getaffinity(0))
        self.cpu_server, self.cpu_client = cpus[0], cpus[-1]
        if self.cpu_server == self.cpu_client:
            say("server and clients share one CPU: wall times mean nothing")
        self.binary = self.program("ringpull")
        self.home = scratch / "home"
        self.home.mkdir()
        self.environment = {"PATH": SEARCH_PATH, "HOME": str(self.home), "LC_ALL": "C"}
        self.commands = {}
        # Further files of the results, by name.
        self.files = {}

    def program(self, name):
        """The path of a program of ours: what was given, or what cargo makes."""
        if not getattr(self.options, name):
            setattr(self.options, name, build([name])[name])
        return getattr(self.options, name)

    def count(self, number):
        return max(1, round(number * self.options.scale))

    def rounds(self, usual):
        """How many rounds count: what was asked for, or what is usual."""
        return self.options.repeat or usual

    def start(self, command, **more):
        """Starts a client on its CPU."""
        with pinned(self.cpu_client):
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=self.environment,
                                    cwd=self.scratch, **more)

    def folder(self):
        """A new directory for what a client pulls."""
        return pathlib.Path(tempfile.mkdtemp(prefix="out-", dir=self.scratch))

    def note(self, name, command):
        text = " ".join([pathlib.Path(command[0]).name, *map(str, command[1:])])
        text = re.sub(r"out-\w{8}\b", "OUT", text.replace(str(self.scratch), "$SCRATCH"))
        self.commands[name] = scrubbed(text)

    def timed(self, name, command):
        """Runs a client to its end. Gives what it cost, in a form that JSON takes."""
        self.note(name, command)
        client = run_client(command, [self.cpu_client], self.environment, self.scratch)
        return {"wall_s": client.wall_s, "cpu_s": client.cpu_s, "rss_kib": client.rss_kib,
                "status": client.status, "log": client.log}

    @contextlib.contextmanager
    def host(self, *settings):
        """A host that behaves as `settings` say, on the server's CPU."""
        served_by = Host(self.program("host"), self.scratch, self.cpu_server, *settings)
        try:
            yield served_by
        finally:
            served_by.stop()

    @contextlib.contextmanager
    def origin(self):
        """The embedded server on the server's CPU. Gives its http URL."""
        served_by = Origin(self.binary, self.scratch / "origin", self.cpu_server)
        try:
            yield served_by.urls["http"]
        finally:
            served_by.stop()


def in_namespace(flags):
    """Runs this script again in namespaces of its own, and ends with its exit status."""
    if os.environ.get(INSIDE):
        return
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *rights, *flags, sys.executable, *sys.argv]
    sys.exit(subprocess.run(command, env=dict(os.environ, **{INSIDE: "1"}), check=False).returncode)


def arguments(doc, scenarios, is_alone, built):
    """The command line of a script with scenarios."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    if is_alone:
        add("scenarios", metavar="SCENARIO", nargs=1, choices=list(scenarios))
    else:
        add("scenarios", metavar="SCENARIO", nargs="*",
            help=f"of {', '.join(scenarios)} (default all)")
    add("--repeat", metavar="N", type=int, help="counted rounds (default: as each needs)")
    add("--scale", metavar="F", type=float, default=1.0, help="share of the lines, for a try")
    for name in built:
        add(f"--{name.replace('_', '-')}", metavar="PATH",
            help=f"use this {name} instead of building one")
    add("--dir", metavar="DIR", default="/dev/shm", help="where files go (default /dev/shm)")
    add("--out", metavar="DIR", help="results (default target/bench/DATE)")
    add("--keep", metavar="NAME", help="keep the results in benches/results/DATE-NAME[-SCENARIO]")
    options = parser.parse_args()
    unknown = [name for name in options.scenarios if name not in scenarios]
    if unknown:
        parser.error(f"no scenario {unknown[0]}; there are {', '.join(scenarios)}")
    options.scenarios = options.scenarios or list(scenarios)
    for name in built:
        path = getattr(options, name)
        setattr(options, name, path and str(pathlib.Path(path).resolve()))
    return options


def main(doc, scenarios, programs=(), built=("ringpull",), is_alone=False, namespaces=None):
    """Runs the scenarios that the command line names. Each is a function of a Bench that gives data
    and lines of Markdown; `programs` are those whose versions matter, `built` those that cargo makes
    and that may be given, `namespaces` has the flags of unshare for scenarios that need them."""
    options = arguments(doc, scenarios, is_alone, built)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    flags = (namespaces or {}).get(options.scenarios[0])
    if flags:
        # The binary is built outside: inside there may be no network.
        if not os.environ.get(INSIDE) and not options.ringpull:
            build(["ringpull"])
        in_namespace(flags)
    warn_of_load()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="ringpull-bench-", dir=options.dir))
    try:
        bench = Bench(options, scratch)
        machine = facts_of_machine(bench, programs)
        done = {}
        with default_congestion():
            os.sched_setaffinity(0, {bench.cpu_server})
            for name in options.scenarios:
                done[name] = scenarios[name](bench)
        machine["load_after"] = os.getloadavg()[0]
        write(bench, machine, scenarios, done)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def folder_of_results(options):
    now = datetime.datetime.now(datetime.UTC)
    one = f"-{options.scenarios[0]}" if len(options.scenarios) == 1 else ""
    if options.keep:
        return REPO / "benches" / "results" / f"{now:%Y-%m-%d}-{options.keep}{one}"
    return pathlib.Path(options.out or REPO / "target" / "bench" / f"{now:%Y-%m-%dT%H%M%S}{one}")


def write(bench, machine, scenarios, done):
    """results.md and results.json."""
    folder = folder_of_results(bench.options)
    folder.mkdir(parents=True, exist_ok=True)
    changes = " with changes" if machine["git_is_dirty"] else ""
    scale = bench.options.scale
    lines = [f"# {SCRIPT}: {', '.join(done)}", "",
             f"{machine['date']}, commit {machine['git_commit'][:12]}{changes}. {machine['cpu']}, "
             f"{machine['cpus_online']} CPUs, {machine['kernel']}; files on "
             f"{machine['filesystem']}; servers on CPU {machine['cpu_server']}, clients on CPU "
             f"{machine['cpu_client']}; load {machine['load_before']:.2f} before.", "",
             f"`{machine['command']}`", "",
             *([f"**Scale {scale:g}: no number here says anything.**", ""] if scale != 1 else []),
             *[f"- {name}: `{command}`" for name, command in bench.commands.items()], ""]
    for name, (_, table) in done.items():
        first = scenarios[name].__doc__.splitlines()[0]
        lines += [f"## {name}: {first[0].lower()}{first[1:]}", "", *table, ""]
    text = "\n".join(lines)
    (folder / "results.md").write_text(text)
    for name, content in bench.files.items():
        (folder / name).write_text(content)
    document = {"machine": machine, "commands": bench.commands,
                "data": {name: data for name, (data, _) in done.items()}}
    (folder / "results.json").write_text(
        json.dumps(document, indent=1).replace(str(bench.scratch), "$SCRATCH") + "\n")
    print(text)
    say(f"written to {folder}")
