//! Options whose values nobody else may see, one line each.

use super::options::{HeaderArg, PullArgs};

/// A long option, and what of its values is secret.
type Secret = (&'static str, fn(&PullArgs) -> Vec<&str>);

const SECRETS: [Secret; 4] = [
    ("--user", |args| args.http.users.iter().map(String::as_str).collect()),
    ("--header", |args| args.http.headers.iter().filter_map(field_value).collect()),
    ("--proxy", |args| args.proxy.proxy.as_deref().and_then(userinfo).into_iter().collect()),
    ("--proxy-user", |args| args.proxy.proxy_user.iter().map(String::as_str).collect()),
];

/// Whether the values of an option are secrets, or hold some.
pub(super) fn is_secret(option: &str) -> bool {
    SECRETS.iter().any(|(secret, _)| *secret == option)
}

/// What was typed that nobody else may see, besides the user information of URLs.
pub(super) fn of(args: &PullArgs) -> Vec<&str> {
    SECRETS.iter().flat_map(|(_, values)| values(args)).collect()
}

fn field_value(header: &HeaderArg) -> Option<&str> {
    match header {
        HeaderArg::Field { value, .. } => long_enough(value),
        HeaderArg::File(_) => None,
    }
}

/// The user information of a proxy, which need not have a scheme before it.
fn userinfo(proxy: &str) -> Option<&str> {
    let rest = proxy.split_once("://").map_or(proxy, |(_, rest)| rest);
    rest.rsplit_once('@').and_then(|(userinfo, _)| long_enough(userinfo))
}

/// A value that is worth hiding: a shorter one hides nothing, and would be found in every other
/// word.
fn long_enough(value: &str) -> Option<&str> {
    (value.len() > 3).then_some(value)
}
