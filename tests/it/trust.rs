//! Whom TLS trusts: exactly what curl trusts with the same files, what this machine trusts, and
//! what is said of all others.

use crate::certs::{Flaw, Identity, issue, issue_below, issue_itself, namesake_of_unknown_issuer};
use crate::cmd::{Done, Sandbox, command, skip};
use crate::disk::run_with_mounts;
use crate::origin::serve;
use crate::rude::{Plan, Rude, ok};
use rcgen::{BasicConstraints, IsCa};
use std::path::{Path, PathBuf};

fn server(identity: &Identity) -> Rude {
    Plan::new().otherwise(ok(b"trusted")).start_tls(identity)
}

fn put(sandbox: &Sandbox, name: &str, text: &str) -> PathBuf {
    let path = sandbox.path(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Pulls one URL with this file as `--cacert`.
fn pull(sandbox: &Sandbox, trusted: &Path, url: &str) -> Done {
    let pull = sandbox.pull().args(["--retry", "0"]).arg("--cacert").arg(trusted);
    pull.args([url]).run()
}

/// Whether curl trusts it, with this file; nothing where there is no curl.
fn curl_trusts(trusted: &Path, url: &str) -> Option<bool> {
    let mut curl = command("curl");
    curl.args(["-sS", "--max-time", "30", "-o", "/dev/null", "--cacert"]).arg(trusted).arg(url);
    match curl.output().ok()?.status.code() {
        Some(0) => Some(true),
        // curl's own number for a certificate that does not verify.
        Some(60) => Some(false),
        code => panic!("curl: {code:?}"),
    }
}

#[test]
fn a_certificate_that_signed_itself_is_trusted_where_curl_does() {
    const AUTHORITY: IsCa = IsCa::Ca(BasicConstraints::Unconstrained);
    let named: &[&str] = &["localhost", "127.0.0.1"];
    let other: &[&str] = &["other.example"];
    let table: [(IsCa, &[&str], Flaw, &str); 12] = [
        (IsCa::NoCa, named, Flaw::None, ""),
        (IsCa::ExplicitNoCa, named, Flaw::None, ""),
        // The default of `openssl req -x509`.
        (AUTHORITY, named, Flaw::None, ""),
        // Without alternative names the common name counts.
        (AUTHORITY, &[], Flaw::None, ""),
        (IsCa::ExplicitNoCa, &[], Flaw::None, ""),
        (AUTHORITY, &[], Flaw::WrongName, "tls.wrong_name"),
        (AUTHORITY, other, Flaw::None, "tls.wrong_name"),
        (AUTHORITY, &named[1..], Flaw::None, "tls.wrong_name"),
        (AUTHORITY, named, Flaw::Expired, "tls.expired"),
        (AUTHORITY, named, Flaw::NotYetValid, "tls.not_yet_valid"),
        (IsCa::ExplicitNoCa, named, Flaw::Expired, "tls.expired"),
        (IsCa::ExplicitNoCa, other, Flaw::None, "tls.wrong_name"),
    ];
    for (is_ca, names, flaw, code) in table {
        let about = format!("{is_ca:?} {names:?} {flaw:?}");
        let identity = issue_itself(is_ca, names, flaw);
        let server = server(&identity);
        let sandbox = Sandbox::new();
        let trusted = put(&sandbox, "self.pem", &identity.cert_pem);
        let url = server.url("/a");
        let done = pull(&sandbox, &trusted, &url);
        assert_eq!(done.fault(&url), code, "{about}: {:#?}", done.rows);
        let Some(is_trusted) = curl_trusts(&trusted, &url) else { return skip("curl is missing") };
        assert_eq!(is_trusted, code.is_empty(), "curl: {about}");

        // Another of the same name is somebody else, and the remedy is told.
        let stranger =
            put(&sandbox, "x.pem", &issue_itself(IsCa::NoCa, named, Flaw::None).cert_pem);
        let done = pull(&sandbox, &stranger, &url);
        let row = done.row(&url);
        assert!(row["error_code"].starts_with("tls."), "{about}: {row:#?}");
        let is_in_time = matches!(flaw, Flaw::None | Flaw::WrongName);
        let message = &row["error_message"];
        assert_eq!(message.contains("--cacert FILE"), is_in_time, "{about}: {message}");
        assert_eq!(curl_trusts(&stranger, &url), Some(false), "curl: {about}");
    }
}

#[test]
fn what_is_no_root_may_be_trusted_too() {
    let below = issue_below();
    let leaf = issue(Flaw::UnknownIssuer);
    let beside_namesake = format!("{}{}", namesake_of_unknown_issuer(), leaf.cert_pem);
    for (identity, trusted) in
        [(&below, &below.ca_pem), (&leaf, &leaf.cert_pem), (&leaf, &beside_namesake)]
    {
        let server = server(identity);
        let sandbox = Sandbox::new();
        let trusted = put(&sandbox, "trusted.pem", trusted);
        pull(&sandbox, &trusted, &server.url("/a")).assert_ok(1);
        match curl_trusts(&trusted, &server.url("/a")) {
            None => return skip("curl is missing"),
            is_trusted => assert_eq!(is_trusted, Some(true)),
        }
    }
}

#[test]
fn this_machine_is_asked_whom_it_trusts() {
    let signed = issue(Flaw::None);
    let itself = issue_itself(IsCa::Ca(BasicConstraints::Unconstrained), &[], Flaw::None);
    for identity in [&signed, &itself] {
        let server = server(identity);
        let sandbox = Sandbox::new();
        let url = server.url("/a");
        std::fs::create_dir(sandbox.path("certs")).unwrap();
        let file = put(&sandbox, "certs/0.pem", &identity.ca_pem);
        for (name, value) in [("SSL_CERT_FILE", &file), ("SSL_CERT_DIR", &sandbox.path("certs"))] {
            let pull = sandbox.pull().env(name, value.to_str().unwrap());
            let done = pull.args([&url]).run();
            done.assert_ok(1);
            assert!(!done.stderr.contains("warning"), "{name}: {}", done.stderr);
        }
        let done = sandbox.pull().args(["--retry", "0", &url]).run();
        assert_ne!(done.fault(&url), "", "nobody else trusts it");
    }
}

#[test]
fn the_store_of_debian_counts() {
    let identity = issue(Flaw::None);
    let server = server(&identity);
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("certs")).unwrap();
    put(&sandbox, "certs/ca-certificates.crt", &identity.ca_pem);
    if !Path::new("/etc/ssl/certs").is_dir() {
        return skip("/etc/ssl/certs is missing");
    }
    let pull = sandbox.pull().args([server.url("/a")]);
    let mounts = "mount --bind certs /etc/ssl/certs";
    let Some(done) = run_with_mounts(&sandbox, mounts, pull) else { return };
    done.assert_ok(1);
}

#[test]
fn nothing_is_read_of_this_machine_before_https_needs_it() {
    let served = serve();
    let sandbox = Sandbox::new();
    // To read it would be to wait for ever.
    let fifo = sandbox.path("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let pull = || sandbox.pull().env("SSL_CERT_FILE", fifo.to_str().unwrap());
    pull().arg("--cacert").arg(served.ca()).args([served.http("/bytes/9/a")]).run().assert_ok(1);
    pull().args(["--insecure", &served.https("/bytes/9/a")]).run().assert_ok(1);
}

#[test]
fn nothing_is_read_of_this_machine_where_others_vouch() {
    let served = serve();
    let sandbox = Sandbox::new();
    if !Path::new("/etc/ssl/certs").is_dir() {
        return skip("/etc/ssl/certs is missing");
    }
    // As above.
    let mounts = "mkdir certs && mkfifo certs/ca-certificates.crt certs/0.pem &&
                  mount --bind certs /etc/ssl/certs";
    let pull = sandbox.pull().arg("--cacert").arg(served.ca()).args([served.https("/bytes/9/a")]);
    let Some(done) = run_with_mounts(&sandbox, mounts, pull) else { return };
    done.assert_ok(1);
}

#[test]
fn what_cannot_be_used_of_this_machine_is_told_once_and_only_with_https() {
    let served = serve();
    let sandbox = Sandbox::new();
    put(&sandbox, "garbage.pem", "no certificate");
    put(&sandbox, "half.pem", &issue(Flaw::None).ca_pem[..200]);
    for (name, value, words) in [
        ("SSL_CERT_FILE", "missing.pem", "missing.pem: No such file"),
        ("SSL_CERT_DIR", "missing", "missing: No such file"),
        ("SSL_CERT_FILE", "garbage.pem", "no PEM certificate is there"),
        ("SSL_CERT_FILE", "half.pem", "cut off"),
    ] {
        let pull = || sandbox.pull().env(name, value).arg("--cacert").arg(served.ca());
        let done = pull().args([served.http("/bytes/9/a")]).run();
        done.assert_ok(1);
        assert!(!done.stderr.contains("warning"), "{}", done.stderr);
        let urls: Vec<String> = (0..8).map(|n| served.https(&format!("/bytes/9/{n}"))).collect();
        let done = pull().list(&urls).run();
        done.assert_ok(8);
        assert_eq!(done.stderr.matches("warning").count(), 1, "{}", done.stderr);
        assert!(done.stderr.contains(words) && done.stderr.contains(name), "{}", done.stderr);
    }
}

#[test]
fn a_message_says_what_is_wrong_with_the_certificate() {
    for (flaw, words, has_remedy) in [
        (
            Flaw::Expired,
            "it was valid until 2002-01-01T00:00:00Z; the clock of this machine",
            false,
        ),
        (Flaw::NotYetValid, "it is valid from 4001-01-01T00:00:00Z on; the clock", false),
        (Flaw::WrongName, "it is for elsewhere.example, not for localhost", false),
        (Flaw::UnknownIssuer, "neither this machine nor --cacert trusts whoever signed it", true),
    ] {
        let identity = issue(flaw);
        let server = server(&identity);
        let sandbox = Sandbox::new();
        let url = server.url("/a");
        let done = pull(&sandbox, &put(&sandbox, "ca.pem", &identity.ca_pem), &url);
        let message = &done.row(&url)["error_message"];
        assert!(message.contains(words), "{message}");
        assert_eq!(message.contains("--cacert FILE"), has_remedy, "{message}");
    }
}
