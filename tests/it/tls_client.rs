//! Our side of TLS: a client certificate that is asked for, given or wrong; pins; versions; and
//! files of them that cannot be used, which are found before anything is touched.

use crate::certs::{Flaw, Identity, issue, issue_client};
use crate::cmd::{Done, Pull, Sandbox};
use crate::rude::{Plan, Rude, Verb, ok, response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::version::{TLS12, TLS13};
use std::path::PathBuf;

fn pem(tag: &str, der: &[u8]) -> String {
    format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", STANDARD.encode(der))
}

fn from_pem(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// The key within PKCS#8 (RFC 5208 section 5): version, algorithm, and then this.
fn inner_key(pkcs8: &[u8]) -> Vec<u8> {
    let (_, _, whole, _) = element(pkcs8);
    let (_, _, _, rest) = element(whole);
    let (_, _, _, rest) = element(rest);
    let (tag, _, key, _) = element(rest);
    assert_eq!(tag, 4);
    key.to_vec()
}

/// The first element of DER: tag, length, content, and what is behind it.
fn element(der: &[u8]) -> (u8, usize, &[u8], &[u8]) {
    let (length, at) = match der[1] {
        short @ 0..=127 => (usize::from(short), 2),
        long => {
            let count = usize::from(long & 127);
            let length = der[2..2 + count].iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
            (length, 2 + count)
        }
    };
    (der[0], length, &der[at..at + length], &der[at + length..])
}

/// A sandbox with the authority of a server in it.
fn trusting(identity: &Identity) -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("ca.pem"), &identity.ca_pem).unwrap();
    sandbox
}

fn pull<'s>(sandbox: &'s Sandbox, url: &str) -> Pull<'s> {
    let pull = sandbox.pull().arg("--cacert").arg(sandbox.path("ca.pem"));
    pull.args(["--retry", "1", "--retry-delay", "1ms", url])
}

fn put(sandbox: &Sandbox, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = sandbox.path(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_client_certificate_is_given_when_it_is_asked_for() {
    let (server, client) = (issue(Flaw::None), issue_client(&PKCS_ECDSA_P256_SHA256));
    let stranger = issue_client(&PKCS_ECDSA_P256_SHA256);
    for version in [&TLS12, &TLS13] {
        let config = server.strict_config(&[version], Some(&client.ca_pem));
        let served = Plan::new().otherwise(ok(b"for clients")).start_tls_as(config);
        let url = served.url("/a");
        let sandbox = trusting(&server);
        let assert_refused = |done: Done, words: &str| {
            let row = done.row(&url);
            assert_eq!(row["error_code"], "tls.client_certificate", "{version:?} {row:#?}");
            assert_eq!((row["exitcode"].as_str(), row["num_retries"].as_str()), ("98", "0"));
            let message = &row["error_message"];
            assert!(message.contains("--cert, --key"), "{message}");
            assert!(message.contains(words), "{message}");
            done.assert_code(5);
        };
        assert_refused(pull(&sandbox, &url).run(), "none was given");
        let cert = put(&sandbox, "client.pem", &client.cert_pem);
        let key = put(&sandbox, "key.pem", &client.key_pem);
        pull(&sandbox, &url).arg("--cert").arg(&cert).arg("--key").arg(&key).run().assert_ok(1);
        let both = put(&sandbox, "both.pem", format!("{}{}", client.key_pem, client.cert_pem));
        pull(&sandbox, &url).arg("-E").arg(both).run().assert_ok(1);
        let both = format!("{}{}", stranger.cert_pem, stranger.key_pem);
        let both = put(&sandbox, "stranger.pem", both);
        let done = pull(&sandbox, &url).arg("--cert").arg(both).run();
        assert_refused(done, "does not accept");
        assert_eq!(served.log(), ["/a", "/a"], "nobody else was heard");
    }
    // A server that asks nobody gets none.
    let served = Plan::new().otherwise(ok(b"for all")).start_tls(&server);
    let sandbox = trusting(&server);
    let both = put(&sandbox, "both.pem", format!("{}{}", client.key_pem, client.cert_pem));
    pull(&sandbox, &served.url("/a")).arg("-E").arg(both).run().assert_ok(1);
}

#[test]
fn keys_come_in_each_form_that_openssl_writes() {
    let server = issue(Flaw::None);
    for (algorithm, older) in [
        (&PKCS_ECDSA_P256_SHA256, Some("EC PRIVATE KEY")),
        (&PKCS_ECDSA_P384_SHA384, Some("EC PRIVATE KEY")),
        (&PKCS_RSA_SHA256, Some("RSA PRIVATE KEY")),
        (&PKCS_ED25519, None),
    ] {
        let client = issue_client(algorithm);
        let config = server.strict_config(&[&TLS13, &TLS12], Some(&client.ca_pem));
        let served = Plan::new().otherwise(ok(b"x")).start_tls_as(config);
        let sandbox = trusting(&server);
        let cert = put(&sandbox, "client.pem", &client.cert_pem);
        let mut forms = vec![client.key_pem.clone()];
        forms.extend(older.map(|tag| pem(tag, &inner_key(&from_pem(&client.key_pem)))));
        for form in forms {
            let form = format!("Bag Attributes\n    friendlyName: x\n{form}");
            let key = put(&sandbox, "key.pem", form);
            let pull = pull(&sandbox, &served.url("/a")).arg("--certificate").arg(&cert);
            pull.arg("--private-key").arg(key).run().assert_ok(1);
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_found_before_anything_is_touched() {
    let client = issue_client(&PKCS_ECDSA_P256_SHA256);
    let other = issue_client(&PKCS_ECDSA_P256_SHA256);
    let sandbox = Sandbox::new();
    put(&sandbox, "cert.pem", &client.cert_pem);
    put(&sandbox, "key.pem", &client.key_pem);
    put(&sandbox, "other.pem", &other.key_pem);
    put(&sandbox, "cert.der", from_pem(&client.cert_pem));
    put(&sandbox, "key.der", from_pem(&client.key_pem));
    put(&sandbox, "empty.pem", "");
    put(&sandbox, "broken.pem", pem("CERTIFICATE", b"x").replace('=', "!"));
    put(&sandbox, "half.pem", &client.cert_pem[..200]);
    put(&sandbox, "no.pem", pem("CERTIFICATE", b"no certificate"));
    put(&sandbox, "locked8.pem", pem("ENCRYPTED PRIVATE KEY", b"x"));
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
               DEK-Info: AES-128-CBC,00\n\neA==\n-----END RSA PRIVATE KEY-----\n";
    put(&sandbox, "locked1.pem", old);
    put(&sandbox, "nokey.pem", pem("EC PRIVATE KEY", b"no key"));
    let rows: [(&[&str], &[&str]); 21] = [
        (&["--cert", "missing.pem", "--key", "key.pem"], &["missing.pem", "No such file"]),
        (&["--cert", "cert.pem", "--key", "missing.pem"], &["missing.pem", "No such file"]),
        (&["--cert", "cert.pem"], &["cert.pem", "no PEM private key", "--key"]),
        (&["--cert", "key.pem"], &["key.pem", "no PEM certificate"]),
        (&["--cert", "cert.der", "--key", "key.pem"], &["cert.der", "openssl x509"]),
        (&["--cert", "cert.pem", "--key", "key.der"], &["key.der", "openssl pkey"]),
        (&["--cert", "empty.pem"], &["empty.pem", "no PEM certificate"]),
        (&["--cert", "broken.pem"], &["broken.pem"]),
        (&["--cert", "half.pem"], &["half.pem"]),
        (&["--cert", "no.pem", "--key", "key.pem"], &["cannot use"]),
        (&["--cert", "cert.pem", "--key", "other.pem"], &["other.pem", "not that of", "cert.pem"]),
        (&["--cert", "cert.pem", "--key", "locked8.pem"], &["locked8.pem", "decrypt", "pkey"]),
        (&["--cert", "cert.pem", "--key", "locked1.pem"], &["locked1.pem", "decrypt", "pkey"]),
        (&["--cert", "cert.pem", "--key", "nokey.pem"], &["nokey.pem"]),
        (&["--key", "key.pem"], &["--cert"]),
        (&["--cert", "cert.pem:PASSWORD", "--key", "key.pem"], &["password"]),
        (&["--pinnedpubkey", "missing.pem"], &["missing.pem", "No such file"]),
        (&["--pinnedpubkey", "cert.pem"], &["cert.pem", "openssl x509", "-pubkey"]),
        (&["--pinnedpubkey", "empty.pem"], &["empty.pem", "no public key"]),
        (&["--pinnedpubkey", "sha256//AAAA"], &["sha256//AAAA", "32 bytes"]),
        (&["--cacert", "key.pem"], &["key.pem", "no PEM certificate"]),
    ];
    let dir = sandbox.path("made");
    for (options, words) in rows {
        let done = sandbox.pull_into(&dir).args(options).args(["https://h.example/a"]).run();
        assert_eq!(done.code(), 2, "{options:?}\n{}", done.stderr);
        for word in words {
            assert!(done.stderr.contains(word), "{options:?}: no {word}\n{}", done.stderr);
        }
        assert!(!done.stderr.contains("PASSWORD"), "{}", done.stderr);
        assert!(!dir.exists() && !sandbox.path("report.csv").exists(), "{options:?}");
    }
}

#[test]
fn versions_are_kept_to() {
    let identity = issue(Flaw::None);
    let sandbox = trusting(&identity);
    for (version, option, is_spoken) in [
        (&TLS12, None, true),
        (&TLS12, Some("--tlsv1.2"), true),
        (&TLS12, Some("--tlsv1.3"), false),
        (&TLS13, None, true),
        (&TLS13, Some("--tlsv1.2"), true),
        (&TLS13, Some("--tlsv1.3"), true),
    ] {
        let config = identity.strict_config(&[version], None);
        let server = Plan::new().otherwise(ok(b"x")).start_tls_as(config);
        let url = server.url("/a");
        let done = pull(&sandbox, &url).args(option).run();
        if is_spoken {
            done.assert_ok(1);
        } else {
            assert_eq!(done.fault(&url), "tls.protocol", "{:#?}", done.rows);
            assert_eq!(server.connections(), 1, "it is the same the next time");
            done.assert_code(5);
        }
    }
}

#[test]
fn suites_of_tls_1_3_are_kept_to() {
    let identity = issue(Flaw::None);
    let sandbox = trusting(&identity);
    let suites = [
        (TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"),
        (TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"),
        (TLS13_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"),
    ];
    for (spoken, name) in suites {
        let plan = Plan::new().otherwise(ok(b"x"));
        // A server that speaks this one only.
        let server = plan.start_tls_as(identity.suite_config(spoken));
        let url = server.url("/a");
        for (_, offered) in suites {
            let done = pull(&sandbox, &url).args(["--tls13-ciphers", offered]).run();
            if offered == name {
                done.assert_ok(1);
            } else {
                assert_eq!(done.row(&url)["status"], "failed", "{offered}: {:#?}", done.rows);
            }
        }
        let both = format!("TLS_AES_128_GCM_SHA256:{name}");
        pull(&sandbox, &url).args(["--tls13-ciphers", &both]).run().assert_ok(1);
    }
    // What is chosen for TLS 1.3 says nothing about TLS 1.2.
    let older = identity.strict_config(&[&TLS12], None);
    let server = Plan::new().otherwise(ok(b"x")).start_tls_as(older);
    let url = server.url("/a");
    let done = pull(&sandbox, &url).args(["--tls13-ciphers", suites[2].1]).run();
    done.assert_ok(1);
}

#[test]
fn nothing_is_waited_for_behind_a_body() {
    let identity = issue(Flaw::None);
    let sandbox = trusting(&identity);
    // From one that has most beside the plaintext in its records to one that has least.
    for suite in [
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TLS13_AES_128_GCM_SHA256,
        TLS13_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ] {
        let mut plan = Plan::new();
        let mut paths = Vec::new();
        for length in [1, 1_000, 16_384, 16_385, 3 * 16_384, 300_000] {
            // In records as long as they may be, in shorter ones, and the last one by itself.
            let whole = response("200 OK", "Connection: close\r\n", &vec![b'x'; length]);
            let (head, body) = whole.split_at(whole.len() - length);
            let (front, last) = whole.split_at(whole.len() - 1);
            let [head, body, front, last] = [head, body, front, last].map(<[u8]>::to_vec);
            for (name, verbs) in [
                ("whole", vec![Verb::Send(whole.clone())]),
                ("apart", vec![Verb::Send(head), Verb::Send(body.clone())]),
                ("short", vec![Verb::Pieces(700, whole.clone())]),
                ("last", vec![Verb::Send(front), Verb::Send(last)]),
            ] {
                let path = format!("/{name}-{length}");
                // The connection stays open, and nothing more comes.
                plan = plan.on(&path, [[verbs, vec![Verb::Stall]].concat()]);
                paths.push(path);
            }
        }
        let server = plan.start_tls_as(identity.suite_config(suite));
        let urls: Vec<String> = paths.iter().map(|path| server.url(path)).collect();
        let pull = sandbox.pull().arg("--cacert").arg(sandbox.path("ca.pem"));
        let done = pull.args(["--retry", "0", "--fresh"]).list(&urls).run();
        done.assert_ok(urls.len());
        // What is waited for too long is there when the server gives up, after half a minute.
        let waited = done.rows.iter().find(|row| row["time_total"].parse::<f64>().unwrap() >= 25.0);
        assert_eq!(waited, None, "{suite:?}");
    }
}

fn pin(identity: &Identity) -> String {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
    let hash = suite.common.hash_provider.hash(&identity.spki);
    format!("sha256//{}", STANDARD.encode(hash.as_ref()))
}

/// Answers that end their connections, so that each job needs another handshake.
fn closing(identity: &Identity) -> Rude {
    let last = vec![Verb::Send(response("200 OK", "Connection: close\r\n", b"x")), Verb::Close];
    Plan::new().otherwise(last).start_tls(identity)
}

#[test]
fn a_pin_is_checked_besides_everything_else() {
    let identity = issue(Flaw::None);
    let server = closing(&identity);
    let sandbox = trusting(&identity);
    let (right, wrong) = (pin(&identity), pin(&issue(Flaw::None)));
    put(&sandbox, "right.pem", pem("PUBLIC KEY", &identity.spki));
    put(&sandbox, "right.der", &identity.spki);
    put(&sandbox, "wrong.pem", pem("PUBLIC KEY", &issue(Flaw::None).spki));
    let url = server.url("/a");
    let several = [format!("{wrong};{right}"), format!("{right};{wrong}")];
    let good = [right.as_str(), &several[0], &several[1], "right.pem", "right.der"];
    let two_wrong = format!("{wrong};{}", pin(&issue(Flaw::None)));
    for trust in [&[][..], &["--insecure"]] {
        for pins in good {
            let done = pull(&sandbox, &url).args(trust).args(["--pinnedpubkey", pins]).run();
            done.assert_ok(1);
        }
        let heard = server.log().len();
        for pins in [wrong.as_str(), &two_wrong, "wrong.pem"] {
            let done = pull(&sandbox, &url).args(trust).args(["--pinnedpubkey", pins]).run();
            let row = done.row(&url);
            assert_eq!(row["error_code"], "tls.pin", "{row:#?}");
            assert_eq!((row["exitcode"].as_str(), row["num_retries"].as_str()), ("90", "0"));
            done.assert_code(5);
        }
        assert_eq!(server.log().len(), heard, "a request went to a server that is not pinned");
    }
    // A pin does not stand for trust.
    let done = sandbox.pull().args(["--pinnedpubkey", &right, &url]).run();
    assert_eq!(done.fault(&url), "tls.unknown_issuer");
}

#[test]
fn a_resumed_session_is_one_that_was_pinned() {
    let (identity, other) = (issue(Flaw::None), issue(Flaw::None));
    let (server, elsewhere) = (closing(&identity), closing(&other));
    let sandbox = trusting(&identity);
    // Sessions are kept by the name of the server.
    let mut urls: Vec<String> = (0..6).map(|n| server.url(&format!("/{n}"))).collect();
    urls.extend((6..12).map(|n| elsewhere.url_at("127.0.0.1", &format!("/{n}"))));
    let pin = pin(&identity);
    for trust in [&[][..], &["--insecure"]] {
        let pull = sandbox.pull().arg("--cacert").arg(sandbox.path("ca.pem")).args(trust);
        let done = pull.args(["-x", "1", "--pinnedpubkey", &pin]).list(&urls).run();
        let is_resumed =
            |url: &String| ["true", "1"].contains(&done.row(url)["tls_resumed"].as_str());
        for url in &urls[..6] {
            assert_eq!(done.row(url)["status"], "ok", "{:#?}", done.row(url));
        }
        assert_eq!(urls[..6].iter().filter(|url| is_resumed(url)).count(), 5);
        // The other server has another key, and a handshake that failed leaves nothing to resume.
        // Its issuer has the name of ours, so what is found is the signature.
        let code = if trust.is_empty() { "tls.certificate" } else { "tls.pin" };
        for url in &urls[6..] {
            assert_eq!(done.fault(url), code);
        }
    }
    assert_eq!(elsewhere.log(), Vec::<String>::new());
}
