//! `url`: the URL of an input line and, from the second line on, the `Location` it redirects to.

use super::lines;
use ringpull::http::request::authority;
use ringpull::plan::target::Target;
use url::Url;

pub(crate) fn target(data: &[u8]) {
    let mut parts = lines(data, 2);
    let text = parts.next().and_then(|text| str::from_utf8(text).ok());
    let location = parts.next().unwrap_or_default();
    if let Some(text) = text
        && let Ok(target) = Target::parse(text)
    {
        check(&target);
        like_the_crate(text, &target);
        redirect(&target, location);
    }
    let base = "https://user:PASSWORD@host.example/a/b?c";
    let base = Target::parse(base).expect("a good URL");
    redirect(&base, location);
    if let Some(text) = text {
        secret(text);
    }
}

/// The parts of a target go into requests, lookups and reports as they are.
fn check(target: &Target) {
    let text = target.as_str();
    let again = Target::parse(text).expect("a target's text is a URL");
    assert_eq!(again.as_str(), text, "parsed again");
    assert_eq!((again.host(), again.port()), (target.host(), target.port()));
    assert_eq!((again.path(), again.credentials()), (target.path(), None));
    assert!(again.same_origin(target) && again.scheme() == target.scheme());

    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{text}");
    assert!(!target.origin_str().contains(['@', '\\', '%']), "{text}");
    assert!(text.starts_with("http://") || text.starts_with("https://"));
    assert_eq!(format!("{}{}", target.origin_str(), target.request_target()), text);
    assert!(target.origin_str().ends_with(target.host_header()));
    assert_ne!(target.port(), 0);

    let host = target.host();
    let is_address = host.contains(':');
    let is_host_byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    let is_address_byte = |byte: u8| byte.is_ascii_hexdigit() || b":.".contains(&byte);
    assert!(!host.is_empty() && host.len() <= 254, "{host}");
    assert!(host.bytes().all(|b| if is_address { is_address_byte(b) } else { is_host_byte(b) }));
    if is_address {
        host.parse::<std::net::Ipv6Addr>().expect("an address in brackets");
    }
    assert!(target.path().starts_with('/'));
    assert!(target.request_target().starts_with(target.path()));
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    assert!(!target.path().split('/').any(is_dots), "{text}");
    assert_eq!(format!("{target:?}"), format!("Target({text:?})"));
    assert_eq!(target.to_string(), text);
    assert_eq!(format!("{}{}", target.origin_str(), target.request_target()), text);
    assert_eq!(format!("{}://{}", target.scheme(), target.host_header()), target.origin_str());
    let with_port = authority(target.host(), target.port());
    let is_default = target.port() == target.scheme().port_default();
    let default_port = format!(":{}", target.port());
    let shown = if is_default { with_port.strip_suffix(&default_port) } else { Some(&*with_port) };
    assert_eq!(shown, Some(target.host_header()));
    if let Some((user, password)) = target.credentials() {
        assert!(!user.contains(':'));
        assert!(!user.chars().chain(password.unwrap_or_default().chars()).any(char::is_control));
    }
}

/// The crate may accept more, never something else: it reads what we made of a URL as it reads the
/// URL itself.
fn like_the_crate(text: &str, target: &Target) {
    let url = by_the_crate(None, text);
    assert_eq!(url.host_str().map(|host| host.trim_matches(['[', ']'])), Some(target.host()));
    assert_eq!(url.port_or_known_default(), Some(target.port()));
    assert_eq!(url.scheme(), target.scheme().as_str());
    if !goes_up_otherwise(text) {
        assert_eq!(by_the_crate(None, target.as_str()), url);
    }
}

/// Without what we leave out: spaces around it, fragment and user information.
fn by_the_crate(base: Option<&Target>, text: &str) -> Url {
    let text = text.split('#').next().unwrap_or_default().trim_matches(' ');
    let base = base.map(|base| Url::parse(base.as_str()).expect("a target is a URL"));
    let url = Url::options().base_url(base.as_ref()).parse(text);
    let mut url = url.expect("what is a target to us is a URL");
    url.set_username("").expect("http has user information");
    url.set_password(None).expect("http has user information");
    url
}

/// Whether the crate's way upwards is another than that of RFC 3986 section 5.2.4: for it, `%2e%2e`
/// leads there too, and a segment such as `c:` is a drive that cannot be left.
fn goes_up_otherwise(text: &str) -> bool {
    let is_drive = |segment: &str| matches!(segment.as_bytes(), [_, b':' | b'|', ..]);
    let has_drive = text.contains("..") && text.split('/').any(is_drive);
    has_drive || text.to_ascii_lowercase().contains("%2e")
}

/// A redirect stays on the web, takes no secret elsewhere, and goes where a browser would go.
fn redirect(base: &Target, location: &[u8]) {
    let Ok(target) = base.join(location) else { return };
    check(&target);
    let auth = if base.same_origin(&target) { base.credentials() } else { None };
    assert_eq!(target.credentials(), auth);
    let is_downgrade = base.as_str().starts_with("https:") && target.as_str().starts_with("http:");
    assert_eq!(base.is_downgrade(&target), is_downgrade);
    let Ok(location) = str::from_utf8(location.trim_ascii()) else { return };
    if !goes_up_otherwise(&format!("{base}/{location}")) {
        assert_eq!(by_the_crate(Some(base), location), by_the_crate(None, target.as_str()));
    }
}

/// Whatever the rest of the URL is, the password is shown nowhere.
fn secret(rest: &str) {
    const SECRET: &str = "Vq7-Secret";
    // A fuzzer finds the word too, and ways to have it made of other letters.
    if !rest.is_ascii() || rest.to_lowercase().contains(&SECRET.to_lowercase()) {
        return;
    }
    let Ok(target) = Target::parse(&format!("http://me:{SECRET}@{rest}")) else { return };
    // A slash in the rest ends the user information in front of it, an `@` does not.
    let shown = format!("{target:?} {target} {}", target.host_header());
    assert!(!shown.to_lowercase().contains(&SECRET.to_lowercase()), "{shown}");
    let (_, password) = target.credentials().expect("there is a user");
    assert!(password.is_some_and(|password| password.contains(SECRET)));
}
