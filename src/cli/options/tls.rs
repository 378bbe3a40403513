//! How servers are authenticated, and how they authenticate us.

use crate::cli::values;
use crate::config::{Pins, Tls13Suite, TlsOptions, TlsVersion};
use base64::Engine as _;
use clap::Args;
use std::path::PathBuf;

/// How servers are authenticated.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connections")]
pub struct TlsArgs {
    /// PEM file of certificates to trust beside the usual ones.
    ///
    /// Repeatable. The usual ones are built-in roots and those of this machine. The certificate may
    /// also be that of the server itself.
    #[arg(long = "cacert", alias = "ca-certificate", value_name = "FILE",
          value_parser = values::path)]
    pub ca_files: Vec<PathBuf>,
    /// Accept any certificate.
    ///
    /// Anyone on the way can answer then; every run says so. Where the authority is known, --cacert
    /// is better.
    #[arg(long, alias = "no-check-certificate")]
    pub insecure: bool,
    /// PEM file of the certificate to show to servers that ask.
    ///
    /// With its chain and its key, unless --key names another file for that.
    #[arg(short = 'E', long = "cert", alias = "certificate", value_name = "FILE",
          value_parser = values::path, hide_short_help = true)]
    pub cert_file: Option<PathBuf>,
    /// PEM file of the private key of --cert, when it is a separate file.
    ///
    /// Only together with --cert.
    #[arg(long = "key", alias = "private-key", value_name = "FILE", requires = "cert_file",
          value_parser = values::path, hide_short_help = true)]
    pub key_file: Option<PathBuf>,
    /// Public keys that servers may have, and no other.
    ///
    /// 'sha256//BASE64', several separated by ;, or a PEM or DER file of one key. As in curl,
    /// BASE64 is the SHA-256 of the DER encoding of the key.
    #[arg(long = "pinnedpubkey", value_name = "KEYS", value_parser = pins, hide_short_help = true)]
    pub pins: Option<Pins>,
    /// TLS 1.2 or later, as is the default.
    #[arg(long = "tlsv1.2", hide = true, overrides_with = "is_tls_1_3")]
    pub is_tls_1_2: bool,
    /// Speak TLS 1.3 only.
    ///
    /// Without this, TLS 1.2 is spoken with servers that do not offer 1.3.
    #[arg(long = "tlsv1.3", overrides_with = "is_tls_1_2", hide_short_help = true)]
    pub is_tls_1_3: bool,
    /// Cipher suites of TLS 1.3 to offer, separated by :, the one to prefer first.
    ///
    /// TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384 and TLS_CHACHA20_POLY1305_SHA256: all of them
    /// without this, in this order. Those of TLS 1.2 stay as they are; --tlsv1.3 leaves them out.
    #[arg(long = "tls13-ciphers", value_name = "LIST", value_parser = suites,
          hide_short_help = true)]
    pub suites_1_3: Option<Tls13Suites>,
}

/// Value of `--tls13-ciphers`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tls13Suites(pub Vec<Tls13Suite>);

impl TlsArgs {
    /// What certificates are trusted and shown.
    pub(crate) fn resolve(&self) -> TlsOptions {
        TlsOptions {
            ca_files: self.ca_files.clone(),
            insecure: self.insecure,
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            version_min: if self.is_tls_1_3 { TlsVersion::V13 } else { TlsVersion::V12 },
            suites_1_3: self.suites_1_3.as_ref().map(|list| list.0.clone()).unwrap_or_default(),
            pins: self.pins.clone(),
        }
    }
}

/// `--tls13-ciphers`: names with colons between.
fn suites(text: &str) -> Result<Tls13Suites, String> {
    let suite = |name: &str| {
        Tls13Suite::named(name).ok_or_else(|| {
            let names = Tls13Suite::ALL.map(Tls13Suite::name).join(", ");
            format!(
                "`{name}` is no cipher suite of TLS 1.3 here; there are {names}, with : between"
            )
        })
    };
    let mut suites = Vec::new();
    for name in text.split(':') {
        let suite = suite(name)?;
        if !suites.contains(&suite) {
            suites.push(suite);
        }
    }
    Ok(Tls13Suites(suites))
}

/// `--pinnedpubkey`: `sha256//BASE64`, several with semicolons between; else the name of a file.
fn pins(text: &str) -> Result<Pins, String> {
    if !text.starts_with("sha256//") {
        return values::path(text).map(Pins::File);
    }
    let hash = |pin: &str| {
        let base64 = pin.strip_prefix("sha256//")?;
        base64::engine::general_purpose::STANDARD.decode(base64).ok()?.try_into().ok()
    };
    let form = |pin| {
        format!(
            "`{pin}` is not a pin; write sha256//BASE64 of 32 bytes, with ; before the next one"
        )
    };
    let pins = text.split(';').map(|pin| hash(pin).ok_or_else(|| form(pin)));
    pins.collect::<Result<Vec<_>, _>>().map(Pins::Sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{config, options, refused};

    #[test]
    fn pinned_keys() {
        let (zero, ones) = ("A".repeat(43) + "=", "/".repeat(42) + "8=");
        let both = format!("sha256//{zero};sha256//{ones}");
        assert_eq!(pins(&both), Ok(Pins::Sha256(vec![[0; 32], [255; 32]])));
        assert_eq!(pins("key.pem"), Ok(Pins::File(PathBuf::from("key.pem"))));
        let short = format!("sha256//{}", &zero[4..]);
        let open = format!("{both};");
        for text in ["", "sha256//", "sha256//x", &short, &open, &both.replace(";sha256//", ";")] {
            assert!(pins(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cipher_suites() {
        let suites = |line: &[&str]| config(line).tls.suites_1_3;
        assert_eq!(suites(&["u"]), []);
        let list = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_GCM_SHA256";
        let expected = [Tls13Suite::Chacha20Poly1305Sha256, Tls13Suite::Aes128GcmSha256];
        assert_eq!(suites(&["--tls13-ciphers", list, "u"]), expected);
        for list in ["", "TLS_AES_128_CCM_SHA256", "TLS_AES_128_GCM_SHA256:", "aes"] {
            let told = refused(&["--tls13-ciphers", list, "u"]);
            assert!(told.contains("TLS_AES_256_GCM_SHA384"), "{told}");
        }
    }

    #[test]
    fn trust() {
        for flag in ["--cacert", "--ca-certificate"] {
            assert_eq!(options(&[flag, "a", flag, "b"]).tls.ca_files.len(), 2);
        }
        for flag in ["--insecure", "--no-check-certificate", "--check-certificate=false"] {
            assert!(options(&[flag]).tls.insecure, "{flag}");
        }
        assert!(!options(&["--check-certificate=true"]).tls.insecure);
        assert!(!options(&[]).tls.insecure);
    }

    #[test]
    fn versions_and_keys() {
        let version = |line: &[&str]| config(line).tls.version_min;
        assert_eq!(version(&["u"]), TlsVersion::V12);
        assert_eq!(version(&["--tlsv1.2", "u"]), TlsVersion::V12);
        assert_eq!(version(&["--tlsv1.3", "u"]), TlsVersion::V13);
        assert_eq!(version(&["--tlsv1.2", "--tlsv1.3", "u"]), TlsVersion::V13);
        assert_eq!(version(&["--tlsv1.3", "--tlsv1.2", "u"]), TlsVersion::V12);
        for (cert, key) in [("-E", "--key"), ("--certificate", "--private-key")] {
            let tls = config(&[cert, "c.pem", key, "k.pem", "u"]).tls;
            assert_eq!((tls.cert_file, tls.key_file), (Some("c.pem".into()), Some("k.pem".into())));
        }
        assert!(refused(&["--key", "k.pem", "u"]).contains("--cert"));
    }
}
