//! Jobs that a run leaves over, as a list that the next run reads, and aria2c(1) too ("Input
//! File").

use crate::fault::escape_hidden;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// User, and password where there was one.
pub type Login<'a> = (&'a str, Option<&'a str>);

/// A job that is left.
#[derive(Clone, Copy, Default)]
pub struct Left<'a> {
    /// `scheme://host/path`, without user information.
    pub url: &'a str,
    /// The login of that URL. The list has it, so nobody else may read it.
    pub user: Option<Login<'a>>,
    /// Further URLs of the same file and their logins, best first.
    pub mirrors: &'a [(&'a str, Option<Login<'a>>)],
    /// Directory of the job's file, where `out` does not begin at that of the run.
    pub dir: Option<&'a str>,
    /// Path of the job's file beneath that directory.
    pub out: Option<&'a str>,
    /// Header fields of the job itself.
    pub headers: &'a [(String, String)],
    /// Digest that the file must have, as `checksum=` has it.
    pub checksum: Option<&'a str>,
}

impl Left<'_> {
    /// Appends the job's URL line and its option lines.
    pub fn encode(&self, list: &mut Vec<u8>) {
        let Self { url, user, mirrors, dir, out, headers, checksum } = *self;
        push_url(list, url, user);
        for (url, user) in mirrors {
            list.push(b'\t');
            push_url(list, url, *user);
        }
        list.push(b'\n');
        let mut option = |name: &str, value: &str| {
            list.extend_from_slice(format!("  {name}={value}\n").as_bytes());
        };
        if let Some(dir) = dir.filter(|dir| !dir.contains(char::is_control)) {
            option("dir", &format!("{dir}{}", slash_behind(dir)));
        }
        // A path with a line end cannot be told; none that is made here has one.
        if let Some(out) = out.filter(|out| !out.contains(char::is_control)) {
            option("out", &format!("{out}{}", slash_behind(out)));
        }
        for (name, value) in headers {
            option("header", &format!("{name}: {value}"));
        }
        // Others than these end aria2c.
        if let Some(checksum) = checksum
            && ARIA2_DIGESTS.iter().any(|kind| checksum.starts_with(kind))
        {
            option("checksum", checksum);
        }
    }
}

/// The slash that keeps the blanks at the end of a path: those at the end of a line are not read,
/// and a slash there is no part of the path.
fn slash_behind(path: &str) -> &'static str {
    if path.ends_with(' ') { "/" } else { "" }
}

/// Appends a line that was not a URL, for people.
pub fn comment(text: &str, list: &mut Vec<u8>) {
    list.extend_from_slice(format!("# {}\n", escape_hidden(text)).as_bytes());
}

fn push_url(list: &mut Vec<u8>, url: &str, user: Option<Login<'_>>) {
    let host_at = url.find("://").map_or(0, |at| at + "://".len());
    list.extend_from_slice(&url.as_bytes()[..host_at]);
    if let Some((user, password)) = user {
        push_encoded(list, user);
        if let Some(password) = password {
            list.push(b':');
            push_encoded(list, password);
        }
        list.push(b'@');
    }
    list.extend_from_slice(&url.as_bytes()[host_at..]);
}

fn push_encoded(list: &mut Vec<u8>, text: &str) {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
        .for_each(|part| list.extend_from_slice(part.as_bytes()));
}

/// The digests that aria2c can check (`aria2c --version`).
const ARIA2_DIGESTS: [&str; 6] = ["md5=", "sha-1=", "sha-224=", "sha-256=", "sha-384=", "sha-512="];

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(left: &Left<'_>) -> String {
        let mut list = Vec::new();
        left.encode(&mut list);
        String::from_utf8(list).unwrap()
    }

    #[test]
    fn a_job_in_the_syntax_of_lists() {
        let plain = Left {
            url: "http://a.example/x?y=1",
            user: None,
            mirrors: &[],
            dir: None,
            out: None,
            headers: &[],
            checksum: None,
        };
        assert_eq!(encoded(&plain), "http://a.example/x?y=1\n");
        let headers = [("X-A".to_owned(), "1=2".to_owned()), ("Cookie".to_owned(), String::new())];
        let full = Left {
            user: Some(("me@home", Some("p:/ \u{e9}"))),
            out: Some("sub/a b.txt"),
            headers: &headers,
            checksum: Some("sha-256=00ff"),
            ..plain
        };
        assert_eq!(
            encoded(&full),
            "http://me%40home:p%3A%2F%20%C3%A9@a.example/x?y=1\n  out=sub/a b.txt\n  \
             header=X-A: 1=2\n  header=Cookie: \n  checksum=sha-256=00ff\n"
        );
        assert_eq!(
            encoded(&Left { out: Some("a b "), ..plain }),
            "http://a.example/x?y=1\n  out=a b /\n"
        );
        let other = Left {
            user: Some(("u", None)),
            out: Some("a\nb"),
            checksum: Some("blake3=00ff"),
            ..plain
        };
        assert_eq!(encoded(&other), "http://u@a.example/x?y=1\n");
        let mirrors = [("http://b/", None), ("https://c:81/x", Some(("u", Some("p"))))];
        assert_eq!(
            encoded(&Left { mirrors: &mirrors, out: Some("x"), ..plain }),
            "http://a.example/x?y=1\thttp://b/\thttps://u:p@c:81/x\n  out=x\n"
        );
        let mut list = Vec::new();
        comment("no\turl", &mut list);
        assert_eq!(list, b"# no\\turl\n");
    }
}
