//! The little of the server's side of HTTP/1.1 that metrics need: one GET, one answer, the end of
//! the connection.

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// The page of metrics.
    Page,
    /// Something else.
    NotFound,
    /// By another method than GET.
    NotAllowed,
    /// What came is not a request.
    Malformed,
}

/// Path of the page of metrics.
pub const PATH: &str = "/metrics";

/// Understands the head of a request, its empty line included; `None` before that has come.
pub fn asked(head: &[u8]) -> Option<Asked> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return Some(Asked::Malformed),
    }
    let target = request.path.unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    Some(match request.method {
        _ if path != PATH => Asked::NotFound,
        Some("GET") => Asked::Page,
        Some(_) | None => Asked::NotAllowed,
    })
}

/// The response; `page` makes the page and `content_type` names its format.
pub fn answer(asked: Asked, content_type: &str, page: impl FnOnce() -> String) -> Vec<u8> {
    let plain = "text/plain; charset=utf-8";
    let (status, content_type, body) = match asked {
        Asked::Page => ("200 OK", content_type, page()),
        Asked::NotFound => ("404 Not Found", plain, format!("metrics are at {PATH}\n")),
        Asked::NotAllowed => {
            let status = "405 Method Not Allowed\r\nAllow: GET";
            (status, plain, "use GET\n".to_owned())
        }
        Asked::Malformed => ("400 Bad Request", plain, "this is not an HTTP request\n".to_owned()),
    };
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Most header fields of a request.
const FIELDS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_requests_ask_for() {
        let head = |line: &str| asked(format!("{line}\r\nHost: a\r\n\r\n").as_bytes());
        for (line, wanted) in [
            ("GET /metrics HTTP/1.1", Asked::Page),
            ("GET /metrics?name[]=x HTTP/1.0", Asked::Page),
            ("GET / HTTP/1.1", Asked::NotFound),
            ("GET /metrics/ HTTP/1.1", Asked::NotFound),
            ("POST /other HTTP/1.1", Asked::NotFound),
            ("HEAD /metrics HTTP/1.1", Asked::NotAllowed),
            ("DELETE /metrics HTTP/1.1", Asked::NotAllowed),
            ("\u{16}\u{3}\u{1}", Asked::Malformed),
            ("GET /metrics", Asked::Malformed),
        ] {
            assert_eq!(head(line), Some(wanted), "{line:?}");
        }
        for part in ["", "GET", "GET /metrics HTTP/1.1\r\n", "GET /metrics HTTP/1.1\r\nHost: a\r\n"]
        {
            assert_eq!(asked(part.as_bytes()), None, "{part:?}");
        }
        let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX + 1));
        assert_eq!(asked(many.as_bytes()), Some(Asked::Malformed));
    }

    #[test]
    fn answers_say_how_long_they_are() {
        let text =
            |asked| String::from_utf8(answer(asked, "text/x", || "page\n".to_owned())).unwrap();
        assert_eq!(
            text(Asked::Page),
            "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 5\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\npage\n"
        );
        assert!(text(Asked::NotFound).starts_with("HTTP/1.1 404 "));
        assert!(
            text(Asked::NotAllowed)
                .starts_with("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n")
        );
        assert!(text(Asked::Malformed).starts_with("HTTP/1.1 400 "));
    }
}
