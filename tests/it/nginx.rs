//! Debian's nginx as a server that nobody here wrote, on ports that the kernel chose, and pulls
//! from it.

use crate::certs::{self, Flaw};
use crate::cmd::{Sandbox, command, eventually, skip};
use ringpull::origin;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tempfile::TempDir;

/// A running nginx that serves `root/`; it ends with the value.
pub(crate) struct Nginx {
    child: Child,
    prefix: TempDir,
    http_port: u16,
    https_port: u16,
}

impl Nginx {
    /// `None`, with the reason printed, where nginx is missing.
    pub(crate) fn start() -> Option<Self> {
        let prefix = tempfile::tempdir().unwrap();
        std::fs::create_dir(prefix.path().join("root")).unwrap();
        let identity = certs::issue(Flaw::None);
        for (name, text) in [
            ("ca.pem", &identity.ca_pem),
            ("cert.pem", &identity.cert_pem),
            ("key.pem", &identity.key_pem),
        ] {
            std::fs::write(prefix.path().join(name), text).unwrap();
        }
        // Between learning a free port and nginx binding it, somebody else may: then again.
        for _ in 0..TRIES {
            let (http_port, https_port) = free_ports();
            write_config(prefix.path(), http_port, https_port);
            let mut child = match spawn(prefix.path()) {
                Ok(child) => child,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    skip("nginx is missing");
                    return None;
                }
                Err(error) => panic!("nginx: {error}"),
            };
            let mut has_ended = false;
            let is_up = eventually(|| {
                has_ended = child.try_wait().unwrap().is_some();
                has_ended || TcpStream::connect((Ipv4Addr::LOCALHOST, https_port)).is_ok()
            });
            if is_up && !has_ended {
                return Some(Self { child, prefix, http_port, https_port });
            }
        }
        let log = std::fs::read_to_string(prefix.path().join("error.log")).unwrap_or_default();
        panic!("nginx does not start\n{log}");
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.prefix.path().join("root")
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.prefix.path().join("ca.pem")
    }

    pub(crate) fn http(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http_port)
    }

    pub(crate) fn https(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.https_port)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.prefix.path().join("access.log")).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, for the master then ends its worker, which a SIGKILL would leave behind.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn spawn(prefix: &Path) -> std::io::Result<Child> {
    command("nginx")
        .arg("-p")
        .arg(prefix)
        .args(["-e", "error.log", "-c", "nginx.conf"])
        .stderr(Stdio::null())
        .spawn()
}

fn free_ports() -> (u16, u16) {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let [http, https] = listeners.map(|listener| listener.local_addr().unwrap().port());
    (http, https)
}

fn write_config(prefix: &Path, http_port: u16, https_port: u16) {
    // A worker of another user could not enter the temporary directory.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let text = format!(
        "daemon off;
{user}
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log access.log;
    client_body_temp_path tmp-body;
    proxy_temp_path tmp-proxy;
    fastcgi_temp_path tmp-fastcgi;
    uwsgi_temp_path tmp-uwsgi;
    scgi_temp_path tmp-scgi;
    types {{ image/jpeg jpg; text/html html; }}
    gzip on;
    gzip_min_length 0;
    sendfile on;
    # Short, so that every run sees connections that the server ends.
    keepalive_requests 20;
    server {{
        listen 127.0.0.1:{http_port};
        listen 127.0.0.1:{https_port} ssl;
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        root root;
        location = /moved {{ return 301 /html/0.html; }}
        location = /busy {{ return 503; }}
    }}
}}
"
    );
    std::fs::write(prefix.join("nginx.conf"), text).unwrap();
}

/// Times that another process may take our port before we give up.
const TRIES: usize = 5;

#[test]
fn nginx_starts_and_serves() {
    let Some(nginx) = Nginx::start() else { return };
    std::fs::write(nginx.root().join("a"), b"from nginx").unwrap();
    let at = (Ipv4Addr::LOCALHOST, nginx.http_port).into();
    let answer = crate::sockets::talk(at, b"GET /a HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(b"\r\n\r\nfrom nginx"));
    assert!(eventually(|| nginx.log().contains("GET /a")));
}

#[test]
fn a_tree_comes_over_http_and_tls_byte_for_byte() {
    let Some(nginx) = Nginx::start() else { return };
    std::fs::create_dir(nginx.root().join("html")).unwrap();
    let mut urls = Vec::new();
    for number in 0..300_usize {
        let path = format!("/html/{number}.html");
        let len = [0, 1, 1_000, 50_000, 300_000][number % 5] + number;
        std::fs::write(nginx.root().join(&path[1..]), origin::body(&path, len)).unwrap();
        urls.push(if number % 2 == 0 { nginx.http(&path) } else { nginx.https(&path) });
    }
    let sandbox = Sandbox::new();
    let done = sandbox.pull().arg("--cacert").arg(nginx.ca()).list(&urls).run();
    done.assert_ok(urls.len());
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    let files = sandbox.files();
    assert_eq!(files.len(), urls.len());
    for (name, content) in files {
        // Not gzipped on the way either, though the server is ready to.
        assert!(content == std::fs::read(nginx.root().join("html").join(&name)).unwrap(), "{name}");
    }
    assert!(done.rows.iter().all(|row| row["content_type"] == "text/html"));
    assert!(
        done.rows.iter().all(|row| row["num_retries"] == "0"),
        "closed connections cost attempts"
    );
}

#[test]
fn its_errors_and_redirects_are_understood() {
    let Some(nginx) = Nginx::start() else { return };
    std::fs::create_dir(nginx.root().join("html")).unwrap();
    std::fs::write(nginx.root().join("html/0.html"), b"moved here").unwrap();
    let sandbox = Sandbox::new();
    let urls = [nginx.https("/moved"), nginx.http("/missing"), nginx.http("/busy")];
    let done = sandbox.pull().args(["--retry", "1", "--retry-delay", "10ms"]);
    let done = done.arg("--cacert").arg(nginx.ca()).list(&urls).run();
    done.assert_code(8);
    assert_eq!(done.row(&urls[0])["url_effective"], nginx.https("/html/0.html"));
    assert_eq!(done.row(&urls[1])["response_code"], "404");
    assert_eq!(done.row(&urls[1])["num_retries"], "0");
    assert_eq!(done.row(&urls[2])["response_code"], "503");
    // The first refusal is free when 404 was heard before: the host answers others.
    assert!(["1", "2"].contains(&&*done.row(&urls[2])["num_retries"]));
    assert_eq!(sandbox.files().len(), 1);
}
