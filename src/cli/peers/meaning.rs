//! Letters that several programs have: which program's is meant, by the value behind it.

/// Whether the value of a flag of ours shows that the flag of that program is meant, which has a
/// value too. What this cannot tell is in the tables.
pub(super) fn is_theirs(flag: &str, peer: &str, value: &str) -> bool {
    match (flag, peer) {
        ("-A", "wget") => is_suffixes(value),
        ("-d", "curl") => is_data(value),
        ("-i", "wget") => is_url(value),
        ("-e", "curl") => value.ends_with(";auto"),
        ("-e", "wget") => is_setting(value),
        ("-m", "aria2") => value == "0",
        ("-P", "curl") => value == "-",
        ("-Q", "curl") | ("-T", "curl" | "aria2") => !begins_a_number(value),
        ("-U", "curl") => is_login(value),
        ("-s", "axel") => value.parse::<u64>().is_ok_and(|speed| speed > CONNECTIONS_MAX),
        ("-k" | "-s", "curl") => !begins_a_number(value),
        ("-u", "aria2") => begins_a_number(value) && !value.contains(':'),
        ("-w", "wget") => is_wait(value),
        ("-x", "curl") => !value.bytes().all(|byte| byte.is_ascii_digit()),
        ("--proxy", "wget2") => matches!(value, "on" | "off" | "yes" | "no" | "0" | "1"),
        _ => false,
    }
}

/// Whether what stands behind a flag of ours is no value of it, so that another program's switch of
/// that name is meant: a URL, where none can be a value.
pub(super) fn is_behind_switch(flag: &str, value: &str) -> bool {
    (is_url(value) && flag != "--proxy") || is_theirs(flag, "wget2", value)
}

/// Whether what stands behind a switch of ours is a value of that program's flag of this name, and
/// no URL, which has a scheme, nor standard input.
pub(super) fn is_value(flag: &str, peer: &str, text: &str) -> bool {
    match (flag, peer) {
        ("-c", "curl") | ("-R", "wget") => !text.contains("://") && text != "-",
        ("-n", "axel") => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

/// Whether a letter of ours takes such a text as it is, behind its long name.
pub(in crate::cli) fn is_free(flag: &str, value: &str) -> bool {
    match flag {
        "-A" | "-d" | "-E" | "-e" | "-i" | "-P" | "-U" | "-w" => !is_url(value),
        "-s" => begins_a_number(value),
        _ => false,
    }
}

/// What to say about a letter whose value does not show whose it is, and which would do something
/// else than its user expects.
pub(in crate::cli) fn note(flag: &str, value: Option<&str>) -> Option<String> {
    match (flag, value) {
        ("-n", _) => Some(
            "-n takes passwords from ~/.netrc, as in curl; aria2's -n is the opposite, which is so \
             without it, and axel's is --split (--netrc goes without this note)"
                .to_owned(),
        ),
        ("-m", Some(value)) => {
            value.parse::<u32>().ok().filter(|tries| *tries <= TRIES_MAX).map(|seconds| {
                format!(
                    "-m {seconds} ends a URL after {seconds} seconds, as in curl; aria2's -m \
                     {seconds} is --tries {seconds} (-m {seconds}s goes without this note)"
                )
            })
        }
        _ => None,
    }
}

fn is_url(value: &str) -> bool {
    let scheme = value.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https" | "ftp"))
}

/// `name:password`, `domain/name:password`. What is sent to everybody must be no login: a
/// User-Agent has a version or a blank before its first colon, or a blank and a comment behind it
/// (`linux:bot:1 (by /u/me)`), or none at all.
fn is_login(value: &str) -> bool {
    let is_version = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    value.split_once(':').is_some_and(|(name, password)| {
        let has_version = name.rsplit_once('/').is_some_and(|(_, version)| is_version(version));
        let is_name = !name.is_empty() && !name.contains(char::is_whitespace) && !has_version;
        let is_text = password.contains(char::is_whitespace) && password.contains(['/', '(']);
        is_name && !is_text && !password.starts_with("//") && !password.starts_with(' ')
    })
}

/// `1`, `2m`, `random`: nothing that could stand for a value, begin a line or name a file.
fn is_wait(value: &str) -> bool {
    !value.is_empty() && !value.contains(['%', '\\']) && !value.starts_with('@')
}

/// `jpg,png`, `.jpg`, `*.jpg`, `jpg`.
fn is_suffixes(value: &str) -> bool {
    if value.contains(['/', '(']) || value.contains(char::is_whitespace) {
        return false;
    }
    let is_pattern = value.contains([',', '*']) || value.starts_with('.');
    is_pattern || SUFFIXES.iter().any(|suffix| suffix.eq_ignore_ascii_case(value))
}

/// `robots=off`, `http_proxy=http://...`, `quiet`: no URL at its begin.
fn is_setting(value: &str) -> bool {
    let is_name =
        |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_- ".contains(&b));
    let is_assignment = value.split_once('=').is_some_and(|(name, _)| is_name(name));
    let is_word = !value.is_empty() && !value.contains("://") && !value.ends_with(";auto");
    is_assignment || is_word
}

/// `name=value`, `@file`, or JSON.
fn is_data(value: &str) -> bool {
    let is_form = value.split_once('=').is_some_and(|(name, _)| !name.contains('/'));
    is_form || value.starts_with(['@', '{', '['])
}

/// Whether it is a number, with or without a unit.
fn begins_a_number(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

/// More tries than this nobody asks for; it is a time.
const TRIES_MAX: u32 = 30;

/// More connections than this nobody asks for; it is bytes a second.
const CONNECTIONS_MAX: u64 = 1_000;

/// Suffixes that wget's users accept by their plain name. No User-Agent is one of these.
const SUFFIXES: [&str; 32] = [
    "avi", "bz2", "css", "csv", "doc", "docx", "epub", "gif", "gz", "htm", "html", "iso", "jpeg",
    "jpg", "js", "json", "mkv", "mp3", "mp4", "ogg", "pdf", "png", "svg", "tar", "tgz", "tif",
    "tiff", "txt", "webp", "xml", "xz", "zip",
];

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX: &str = "linux:com.example.bot:v1 (by /u/me)";

    #[test]
    fn logins() {
        for value in
            ["me:pw", "me:p/w", "me:p w", "me:", "do\\main:pw", "do/main:pw", "me@example.com:a:b"]
        {
            assert!(is_login(value), "{value}");
        }
        for value in
            ["", "me", ":pw", "a/1:b", "my bot:1", "bot: a crawler", "http://bot.example/", LINUX]
        {
            assert!(!is_login(value), "{value}");
        }
    }

    #[test]
    fn waits() {
        for value in ["1", "0.5", "2m", "random", "done"] {
            assert!(is_wait(value), "{value}");
        }
        for value in ["", "%{url}", "\\n", "@form", "%{http_code}\\n"] {
            assert!(!is_wait(value), "{value}");
        }
    }

    #[test]
    fn lists_of_suffixes() {
        for value in ["jpg,png", "jpg", "PNG", ".jpg", "*.jpg", "a*,b"] {
            assert!(is_suffixes(value), "{value}");
        }
        for value in ["", "bot", "curl", "curl/8.1", "Mozilla/5.0 (X11, Linux)", "a, b"] {
            assert!(!is_suffixes(value), "{value}");
        }
    }

    #[test]
    fn settings() {
        for value in
            ["robots=off", "robots = off", "http_proxy=http://me:pw@p/", "quiet", "example.com/"]
        {
            assert!(is_setting(value), "{value}");
        }
        for value in ["", "http://h/", "https://h/?a=b", ";auto", "http://h/;auto"] {
            assert!(!is_setting(value), "{value}");
        }
        assert!(is_theirs("-e", "curl", ";auto") && is_theirs("-e", "curl", "http://h/;auto"));
    }

    #[test]
    fn bodies() {
        for value in ["x=1", "a=/b", "@file", "{\"a\": 1}", "[1]"] {
            assert!(is_data(value), "{value}");
        }
        for value in ["", "out", "./x=1", "data/date=2024-01-01", "a{b}"] {
            assert!(!is_data(value), "{value}");
        }
    }
}
