//! Options whose values nobody else may see, one line each.

use super::options::{HeaderArg, PullArgs};
use std::path::Path;

/// A long option, what of its values is secret, and what may be shown of one.
type Secret = (&'static str, fn(&PullArgs) -> Vec<&str>, fn(&str) -> String);

const SECRETS: [Secret; 5] = [
    ("--user", |args| args.http.users.iter().map(String::as_str).collect(), nothing),
    ("--header", |args| args.http.headers.iter().filter_map(field_value).collect(), field_name),
    (
        "--proxy",
        |args| args.proxy.proxy.as_deref().and_then(userinfo).into_iter().collect(),
        without_userinfo,
    ),
    ("--proxy-user", |args| args.proxy.proxy_user.iter().map(String::as_str).collect(), nothing),
    (
        "--cert",
        |args| {
            let typed = args.tls.cert_file.as_deref().and_then(Path::to_str);
            let (_, password) = typed.and_then(cert_and_password).unzip();
            password.and_then(long_enough).into_iter().collect()
        },
        without_password,
    ),
];

/// Whether the values of an option are secrets, or hold some.
pub(super) fn is_secret(option: &str) -> bool {
    SECRETS.iter().any(|(secret, ..)| *secret == option)
}

/// Whether a field of this name says who somebody is.
pub(super) fn is_credential(name: &str) -> bool {
    let names = ["authorization", "cookie", "proxy-authorization"];
    names.iter().any(|known| name.trim().eq_ignore_ascii_case(known))
}

/// What may be shown of a value of an option, however short its secret is: it has [`MASK`] in the
/// place of that. `None` where nothing of it is secret.
pub(super) fn masked(option: &str, value: &str) -> Option<String> {
    let (.., shown) = SECRETS.iter().find(|(secret, ..)| *secret == option)?;
    Some(shown(value)).filter(|shown| shown != value)
}

/// What was typed that nobody else may see, besides the user information of URLs.
pub(super) fn of(args: &PullArgs) -> Vec<&str> {
    SECRETS.iter().flat_map(|(_, values, _)| values(args)).collect()
}

fn field_value(header: &HeaderArg) -> Option<&str> {
    match header {
        HeaderArg::Field { value, .. } => long_enough(value),
        HeaderArg::File(_) => None,
    }
}

/// Nothing of a value but that there is one.
fn nothing(_: &str) -> String {
    MASK.to_owned()
}

/// The name of a field, or the file that has fields.
fn field_name(header: &str) -> String {
    match header.split_once(':') {
        Some((name, value)) if !header.starts_with('@') && !value.trim().is_empty() => {
            format!("{name}: {MASK}")
        }
        _ => header.to_owned(),
    }
}

/// A proxy without its user information, which need not have a scheme before it.
fn without_userinfo(proxy: &str) -> String {
    let (scheme, rest) = proxy.split_at(proxy.find("://").map_or(0, |at| at + 3));
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}{MASK}@{host}"),
        None => proxy.to_owned(),
    }
}

/// The file of curl's `FILE:PASSWORD`, and the password: it is refused, but not shown before that.
fn cert_and_password(cert: &str) -> Option<(&str, &str)> {
    cert.split_once(':').filter(|_| !Path::new(cert).exists())
}

/// A certificate without the password of its key.
fn without_password(cert: &str) -> String {
    match cert_and_password(cert) {
        Some((file, _)) => format!("{file}:{MASK}"),
        None => cert.to_owned(),
    }
}

/// The user information of a proxy.
fn userinfo(proxy: &str) -> Option<&str> {
    let rest = proxy.split_once("://").map_or(proxy, |(_, rest)| rest);
    rest.rsplit_once('@').and_then(|(userinfo, _)| long_enough(userinfo))
}

/// A value that is worth hiding: a shorter one hides nothing, and would be found in every other
/// word.
fn long_enough(value: &str) -> Option<&str> {
    (value.len() > 3).then_some(value)
}

/// What is shown in the place of a secret.
pub(super) const MASK: &str = "***";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_however_short() {
        let shown = |option, value| masked(option, value);
        assert_eq!(shown("--user", "a:b").as_deref(), Some("***"));
        assert_eq!(shown("--proxy-user", "a:b").as_deref(), Some("***"));
        assert_eq!(shown("--header", "X: a").as_deref(), Some("X: ***"));
        assert_eq!(shown("--header", "X:a:b").as_deref(), Some("X: ***"));
        assert_eq!(shown("--proxy", "http://a:b@h:1").as_deref(), Some("http://***@h:1"));
        assert_eq!(shown("--proxy", "a@b@h").as_deref(), Some("***@h"));
        assert_eq!(shown("--cert", "c.pem:a:b").as_deref(), Some("c.pem:***"));
        for (option, value) in [
            ("--header", "X:"),
            ("--header", "@a:b"),
            ("--proxy", "h:1"),
            ("--cert", "c.pem"),
            ("--dir", "a:b@c"),
        ] {
            assert_eq!(shown(option, value), None, "{option} {value}");
        }
    }
}
