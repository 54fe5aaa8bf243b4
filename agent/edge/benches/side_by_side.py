"""Times a cached hit, and a request passed on, here and in nginx, Varnish and HAProxy: the same origin, the same load, in turns.

    python3 agent/edge/benches/side_by_side.py AGENT [--tables hits,tls,h2,pass] [--sizes 1,16,100,1024] [--connections 64,512]
                                               [--rounds 5] [--seconds 2] [--servers overspill,nginx,varnish,haproxy] [--json FILE]
                                               [--generator PROGRAM] [--check] [--congestion reno] [--awake]

AGENT is the `overspill` program. Each server has the first core and one thread that serves, the load generator (`wrk`; `h2load` for HTTP/2)
has the second. wrk copies every body, which takes it as long as a server takes to send it, so that with one core each it is wrk that is measured: name
a PROGRAM that does not, for HTTP/1.1 in the clear: the edge's example `load`, `cargo build --profile dist -p overspill-edge --example load`.
Whoever is missing is passed over, and said to be; on Debian: apt-get install nginx varnish haproxy wrk nghttp2-client openssl.
Connections have the machine's congestion control, or, in a network namespace of the comparison's own (as root), the one that is named: with
BBR, which paces, servers that write a body in several pieces wait on loopback for no reason but that.
On a virtual machine a core that has nothing to do for a moment is given away, and comes back late. With --awake each core has a process that
turns round and round at the idle priority, which gives way at once to whatever else wants to run: rates are lower, and stand still.
Figures are medians over rounds, within which all servers are measured one after another. The ratios are the agent's divided by that
server's, round by round: above 1 is better for requests, worse for processor time. Ends with 77 when there is nothing to compare.

With --check nothing is timed: every server is asked for every answer, and its status and its body's bytes are compared with what they have to be,
before a second of load and after it. The load itself fails if anything but 2xx comes back, with or without --check.
"""

import argparse
import atexit
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

SERVERS = ("overspill", "nginx", "varnish", "haproxy")
TABLES = {
    "hits": "cached hits, HTTP/1.1",
    "tls": "cached hits, HTTP/1.1 over TLS",
    "h2": "cached hits, HTTP/2 over TLS, ten streams a connection",
    "pass": "passed on to the origin, 1 KiB",
}
PATIENCE = 30
NOTHING_TO_DO = 77
CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"
os.environ["PATH"] += ":/usr/sbin:/usr/local/sbin"


class Origin(http.server.BaseHTTPRequestHandler):
    """Every path is a body of as many bytes as the path says, good for an hour."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"x" * int(self.path.strip("/"))
        self.send_response(200)
        for name, value in {"Content-Type": "image/jpeg", "Cache-Control": "public, max-age=3600", "ETag": '"1"', "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def pinned(core, *command):
    return ["taskset", "-c", str(core), *map(str, command)]


class Server:
    """A server under load: pinned to the first core, serving HTTP on one port and HTTPS on another."""

    def __init__(self, name, place, command, port, tls_port):
        self.name, self.port, self.tls_port = name, port, tls_port
        self.log = place / f"{name}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(pinned(0, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{name} does not serve: {self.log.read_text()}") from None
                time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def processor_time(self):
        """Microseconds of all threads of the server and its children."""
        parents = {}
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                # The name stands in brackets and may hold anything; after it come the state and the parent.
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        ours, grown = {self.process.pid}, True
        while grown:
            children = {process for process, parent in parents.items() if parent in ours} - ours
            ours, grown = ours | children, bool(children)
        spent = 0
        for process in ours:
            for task in pathlib.Path(f"/proc/{process}/task").glob("*/schedstat"):
                spent += int(task.read_text().split()[0])
        return spent / 1e3


def overspill(agent, place, origin, pages):
    port, tls_port = free_port(), free_port()
    (place / "empty.toml").write_text("")
    command = [agent, "run", "--config", place / "empty.toml", "--threads", 1, "--admin", "none", "--state", place / "state"]
    command += ["--origin", f"http://{origin}", "--listen", f"127.0.0.1:{port}", "--tls-listen", f"127.0.0.1:{tls_port}"]
    command += ["--tls-certificate", place / "cert.pem", "--tls-key", place / "key.pem"]
    del pages
    return Server("overspill", place, command, port, tls_port)


def nginx_command(folder, rules):
    """nginx with these rules. A worker of root's may enter the folder."""
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "client_body", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"""
        {user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
        events {{ worker_connections 4096; }}
        http {{ access_log off; keepalive_requests 100000000; {paths} {rules} }}""")
    return ["nginx", "-c", folder / "nginx.conf", "-p", folder]


def nginx(place, origin, pages):
    port, tls_port, folder = free_port(), free_port(), place / "nginx"
    # As its documentation advises for a cache: files kept open, sent by the kernel. Not with `tcp_nopush`: it leaves Nagle's algorithm on, so that the end
    # of a file waits up to 40 ms for a receiver that reads all there is at once.
    command = nginx_command(folder, f"""
        sendfile on; open_file_cache max=1000 inactive=1h; proxy_cache_path {folder}/cache keys_zone=hits:10m;
        ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem; ssl_session_cache shared:s:10m;
        upstream pages {{ server {pages}; keepalive 512; }}
        server {{
            listen 127.0.0.1:{port} backlog=4096; listen 127.0.0.1:{tls_port} ssl http2 backlog=4096;
            location / {{ proxy_pass http://{origin}; proxy_cache hits; }}
            location /page {{ proxy_pass http://pages; proxy_http_version 1.1; proxy_set_header Connection ""; }}
        }}""")
    return Server("nginx", place, command, port, tls_port)


def varnish(place, origin, pages):
    port = free_port()
    host, number = origin.split(":")
    page_host, page_number = pages.split(":")
    (place / "varnish.vcl").write_text(f"""vcl 4.1;
        backend files {{ .host = "{host}"; .port = "{number}"; }}
        backend pages {{ .host = "{page_host}"; .port = "{page_number}"; }}
        sub vcl_recv {{ if (req.url ~ "^/page") {{ set req.backend_hint = pages; return (pass); }} }}""")
    command = ["varnishd", "-F", "-j", "none", "-a", f"127.0.0.1:{port}", "-f", place / "varnish.vcl", "-s", "malloc,64m", "-T", "none"]
    command += ["-p", "thread_pools=1", "-p", "thread_pool_min=600", "-n", place / "varnish"]
    return Server("varnish", place, command, port, None)


def haproxy(place, origin, pages):
    port, tls_port = free_port(), free_port()
    (place / "both.pem").write_text((place / "cert.pem").read_text() + (place / "key.pem").read_text())
    (place / "haproxy.cfg").write_text(f"""
global
    nbthread 1
    maxconn 4096
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
cache hits
    total-max-size 64
    max-object-size 8000000
    max-age 3600
frontend visitors
    bind 127.0.0.1:{port} backlog 4096
    bind 127.0.0.1:{tls_port} ssl crt {place}/both.pem alpn h2,http/1.1 backlog 4096
    http-request cache-use hits if !{{ path_beg /page }}
    use_backend pages if {{ path_beg /page }}
    default_backend files
backend files
    http-response cache-store hits
    server files {origin}
backend pages
    http-reuse always
    server pages {pages}
""")
    return Server("haproxy", place, ["haproxy", "-db", "-f", place / "haproxy.cfg"], port, tls_port)


def page_server(place):
    """A fast origin for what is passed on; it shares the load generator's core."""
    port = free_port()
    command = nginx_command(place / "pages", f"""
        server {{ listen 127.0.0.1:{port} backlog=4096; add_header Cache-Control no-store; return 200 "{'x' * 1024}"; }}""")
    with open(place / "pages.log", "w") as log:
        process = subprocess.Popen(pinned(1, *command), stdout=log, stderr=log)
    return process, f"127.0.0.1:{port}"


def load(server, table, size, connections, seconds, generator):
    """Requests a second, processor time of the server for each, and the 99th percentile of latency in milliseconds."""
    scheme, port = ("http", server.port) if table in ("hits", "pass") else ("https", server.tls_port)
    url = f"{scheme}://127.0.0.1:{port}/" + ("page" if table == "pass" else str(size << 10))
    generator = generator if scheme == "http" else None
    if table == "h2":
        command = pinned(1, "h2load", "-t", 1, "-c", connections, "-m", 10, "-D", seconds, url)
    elif generator:
        command = pinned(1, generator, url, "--connections", connections, "--seconds", seconds)
    else:
        command = pinned(1, "wrk", "-t", 1, "-c", connections, "-d", f"{seconds}s", "--latency", "--timeout", "20s", url)
    before = server.processor_time()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as loading:
        # h2load does not stop connections that came in after its time was over.
        patience = threading.Timer(seconds + PATIENCE, loading.kill)
        patience.start()
        if generator:
            # It says when the connections are made, and everything is as it will be.
            loading.stdout.readline()
            before = server.processor_time()
        text = loading.stdout.read()
        spent = server.processor_time() - before
    patience.cancel()
    if loading.returncode:
        raise SystemExit(f"{server.name}, {url}: the load failed, or did not end by itself (fewer connections, or more seconds)")
    if table == "h2":
        rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", text)[1])
        done, bad = int(re.search(r"(\d+) succeeded", text)[1]), re.search(r"([1-9]\d*) (?:failed|errored)", text)
        late = None
    elif generator:
        told = json.loads(text)
        rate, done, bad, late = told["requests_per_s"], told["requests"], False, told["p99_us"] / 1e3
    else:
        rate, done = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), int(re.search(r"(\d+) requests in", text)[1])
        bad = "Non-2xx" in text or "Socket errors" in text
        number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
        late = float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]
    if not done and not bad and seconds < PATIENCE:
        # Of many large bodies none may be whole by then.
        return load(server, table, size, connections, 2 * seconds, generator)
    if bad or not done:
        raise SystemExit(f"{server.name}, {url}: not all was answered:\n{text}")
    return {"requests_per_s": rate, "cpu_us": spent / done, "p99_ms": late}


def answer(server, table, path):
    """Status (none over HTTP/2, whose client does not say) and body of one answer."""
    if table == "h2":
        url = f"https://127.0.0.1:{server.tls_port}{path}"
        return None, subprocess.run(["nghttp", "--timeout", "20", url], check=True, capture_output=True).stdout
    if table == "tls":
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", server.tls_port, timeout=PATIENCE, context=anybody)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def check(servers, table, size, connections, generator):
    """Has every server answer before a load, under it and after it."""
    path, length = ("/page", 1024) if table == "pass" else (f"/{size << 10}", size << 10)
    for server in servers:
        for moment in ("before", "at last"):
            status, body = answer(server, table, path)
            if status not in (None, 200) or body != b"x" * length:
                raise SystemExit(f"{server.name}, {TABLES[table]}, {path}, {moment}: status {status}, {len(body)} bytes for {length}")
            if moment == "before":
                load(server, table, size, connections, 1, generator)
        print(f"{size:>5} KiB {connections:>5}  {server.name:<10} right", flush=True)


def apart(congestion):
    """Goes on in a network namespace with nothing but loopback and this congestion control."""
    if "OVERSPILL_APART" not in os.environ:
        os.environ["OVERSPILL_APART"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    pathlib.Path(CONGESTION).write_text(congestion)
    pathlib.Path("/proc/sys/net/core/somaxconn").write_text("4096")


def stay_awake():
    """Keeps both cores from being given away, until this process ends."""
    for core in (0, 1):
        turning = subprocess.Popen(["chrt", "--idle", "0", *pinned(core, "timeout", 3600, sys.executable, "-c", "while True: pass")])
        atexit.register(turning.terminate)


def middle(rounds, what):
    values = [one[what] for one in rounds if one[what] is not None]
    return statistics.median(values) if values else None


def compare(servers, table, size, connections, options):
    measured = {server.name: [] for server in servers}
    for server in servers:
        load(server, table, size, connections, 1, options.generator)
    for _ in range(options.rounds):
        for server in servers:
            measured[server.name].append(load(server, table, size, connections, options.seconds, options.generator))
    ours, rows = measured[servers[0].name], []
    for name, rounds in measured.items():
        ratio = lambda what: statistics.median(mine[what] / theirs[what] for mine, theirs in zip(ours, rounds))
        row = {"table": table, "kib": size, "connections": connections, "server": name}
        row |= {what: middle(rounds, what) for what in ("requests_per_s", "cpu_us", "p99_ms")}
        row |= {"requests_ratio": ratio("requests_per_s"), "cpu_ratio": ratio("cpu_us")}
        rows.append(row)
        late = "-" if row["p99_ms"] is None else f"{row['p99_ms']:.2f}"
        print(f"{size:>5} KiB {connections:>5}  {name:<10} {row['requests_per_s']:>10.0f} {row['cpu_us']:>9.1f} {late:>9} "
              f"{row['requests_ratio']:>9.2f} {row['cpu_ratio']:>6.2f}", flush=True)
    return rows


def main():
    numbers = lambda text: [int(number) for number in text.split(",")]
    words = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("agent", type=pathlib.Path)
    parser.add_argument("--tables", type=words, default=list(TABLES))
    parser.add_argument("--sizes", type=numbers, default=[1, 16, 100, 1024])
    parser.add_argument("--connections", type=numbers, default=[64, 512])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--servers", type=words, default=list(SERVERS))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--generator", type=lambda text: pathlib.Path(text).resolve(strict=True))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--congestion")
    parser.add_argument("--awake", action="store_true")
    options = parser.parse_args()
    if options.congestion:
        apart(options.congestion)
    print(f"congestion control: {pathlib.Path(CONGESTION).read_text().strip()}")
    if options.awake:
        stay_awake()
    programs = {"nginx": "nginx", "varnish": "varnishd", "haproxy": "haproxy"}
    names = [name for name in options.servers if name == "overspill" or shutil.which(programs[name])]
    missing = [tool for tool in ("taskset", "wrk", "openssl", "nginx") if not shutil.which(tool)]
    if missing or len(names) < 2 or len(os.sched_getaffinity(0)) < 2:
        print(f"passed over: needs two cores, another server and {', '.join(missing) or 'nothing else'}")
        sys.exit(NOTHING_TO_DO)
    for name in set(options.servers) - set(names):
        print(f"passed over: {name} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        # 2048 bits for all, or the key decides the handshakes' figures.
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", place / "key.pem", "-out", place / "cert.pem"],
                       check=True, capture_output=True)
        # A proxy that has heard enough closes; that is its business.
        http.server.ThreadingHTTPServer.handle_error = lambda *_: None
        # Of its own accord it lets five connections wait; those that a proxy opens at once are not what is compared.
        http.server.ThreadingHTTPServer.request_queue_size = 4096
        files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
        threading.Thread(target=files.serve_forever, daemon=True).start()
        origin = f"127.0.0.1:{files.server_address[1]}"
        page_process, pages = page_server(place)
        servers, rows = [], []
        try:
            starters = {"nginx": nginx, "varnish": varnish, "haproxy": haproxy}
            for name in names:
                servers.append(overspill(options.agent.resolve(), place, origin, pages) if name == "overspill" else starters[name](place, origin, pages))
            for table in options.tables:
                able = [server for server in servers if server.tls_port or table in ("hits", "pass")]
                if table == "h2" and not (shutil.which("h2load") and shutil.which("nghttp")):
                    print("\npassed over: HTTP/2, h2load and nghttp are not installed")
                    continue
                if table == "pass":
                    # Its origin is another one.
                    servers[0].stop()
                    (place / "pass").mkdir()
                    for name in ("cert.pem", "key.pem"):
                        shutil.copy(place / name, place / "pass" / name)
                    able[0] = servers[0] = overspill(options.agent.resolve(), place / "pass", pages, pages)
                if options.check:
                    print(f"\n{TABLES[table]}")
                    for size in [1] if table == "pass" else options.sizes:
                        for connections in options.connections:
                            check(able, table, size, connections, options.generator)
                    continue
                print(f"\n{TABLES[table]}; {options.rounds} rounds of {options.seconds} s; medians, ratios of {able[0].name} to each")
                print(f"{'body':>9} {'conns':>5}  {'server':<10} {'requests/s':>10} {'CPU us':>9} {'p99 ms':>9} {'requests':>9} {'CPU':>6}")
                for size in [1] if table == "pass" else options.sizes:
                    for connections in options.connections:
                        rows += compare(able, table, size, connections, options)
        finally:
            for server in servers:
                server.stop()
            page_process.terminate()
            files.shutdown()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
