//! What the requests of a run say beside their targets: credentials, codings, fields.

use super::netrc::Netrc;
use super::proxy::Route;
use super::target::Target;
use crate::http::request::FieldProblem;
use crate::http::request::{
    Codings, Conditions, Forward, Get, Parts, RequestProblem, Secrets, Template, basic,
};
use std::borrow::Cow;

/// What requests are made of. It holds secrets, so it has no `Debug`.
#[derive(Clone)]
pub struct Requests {
    /// Of every job without fields of its own.
    template: Template,
    user_agent: String,
    referer: Option<String>,
    codings: Codings,
    fields: Vec<(String, String)>,
    /// `Authorization` of `-u`.
    authorization: Option<String>,
    netrc: Option<Netrc>,
}

/// One request to be encoded.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Where it goes.
    pub target: &'a Target,
    /// The target whose user information, host and netrc entry are its credentials.
    pub login: &'a Target,
    /// Fields of the job, which replace those of the run with the same name.
    pub fields: &'a [(String, String)],
    /// Whether credentials and fields for the origin of the input line go with it.
    pub secrets: Secrets,
    /// The way to its origin.
    pub route: Route<'a>,
    /// What is asked for, where it is not all of the target.
    pub conditions: Conditions<'a>,
}

impl Requests {
    /// Requests with these parts, credentials of `-u` (`user:password`), and those of a netrc file.
    ///
    /// # Errors
    ///
    /// The first field that would break a request.
    pub fn new(
        parts: &Parts<'_>,
        basic_auth: Option<&str>,
        netrc: Option<Netrc>,
    ) -> Result<Self, FieldProblem> {
        Ok(Self {
            template: Template::new(parts)?,
            user_agent: parts.user_agent.to_owned(),
            referer: parts.referer.map(str::to_owned),
            codings: parts.codings,
            fields: parts.fields.to_vec(),
            authorization: basic_auth.map(basic),
            netrc,
        })
    }

    /// What we call ourselves, to proxies as well.
    pub fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// Whether servers may use a coding, which is undone then.
    pub fn is_compressed(&self) -> bool {
        self.codings == Codings::Gzip
    }

    /// Whether the user asks for a range (`-H 'Range: ...'`), with a field of the run or with one
    /// of a job, `fields`. What comes then is not all of a file, so there is nothing to go on with
    /// and nothing to split.
    pub fn has_own_range(&self, fields: &[(String, String)]) -> bool {
        let find = |fields: &[(String, String)]| {
            let mut ranges =
                fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("range")).peekable();
            ranges.peek()?;
            Some(ranges.any(|(_, value)| !value.is_empty()))
        };
        find(fields).or_else(|| find(&self.fields)).unwrap_or(false)
    }

    /// Whether the user has a say in what a request for a range would ask for: a range, a
    /// condition, or a coding.
    pub fn has_own_terms(&self) -> bool {
        let is_term = |name: &str| TERMS.iter().any(|term| name.eq_ignore_ascii_case(term));
        self.is_compressed() || self.fields.iter().any(|(name, _)| is_term(name))
    }

    /// Writes the bytes of a request into `out`, for whoever reads it first.
    ///
    /// # Errors
    ///
    /// A part that would not stay in its place.
    pub fn encode(&self, wanted: &Wanted<'_>, out: &mut Vec<u8>) -> Result<(), RequestProblem> {
        let Wanted { target, route, .. } = *wanted;
        let authorization = self.authorization(wanted.login);
        let get = Get {
            host: target.host_header(),
            target: target.request_target(),
            authorization: authorization.as_deref(),
            secrets: wanted.secrets,
            via: match route {
                Route::HttpForward(proxy) => Some(Forward {
                    origin: target.origin_str(),
                    authorization: proxy.authorization(),
                }),
                // The origin itself reads it, whatever the bytes pass through.
                Route::Direct | Route::Tunnel(_) | Route::Socks5(..) => None,
            },
            conditions: wanted.conditions,
        };
        out.clear();
        match wanted.fields {
            [] => self.template.encode(&get, out),
            fields => self.template_with(fields).encode(&get, out),
        }
    }

    /// The value of `Authorization`: what the URL says, else `-u`, else what netrc says of its
    /// host. A URL with a user only takes the password of that login from netrc.
    fn authorization(&self, login: &Target) -> Option<Cow<'_, str>> {
        let known = |user| self.netrc.as_ref()?.find(login.host(), user);
        let (user, password) = match (login.credentials(), &self.authorization) {
            (Some((user, Some(password))), _) => (user, password),
            (Some((user, None)), _) => {
                (user, known(Some(user)).map_or("", |(_, password)| password))
            }
            (None, Some(given)) => return Some(given.into()),
            (None, None) => known(None)?,
        };
        Some(basic(&format!("{user}:{password}")).into())
    }

    /// The fields of the run with those of one job.
    fn template_with(&self, own: &[(String, String)]) -> Template {
        let is_replaced =
            |name: &str| own.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let mut fields: Vec<(String, String)> = self.fields.clone();
        fields.retain(|(name, _)| !is_replaced(name));
        fields.extend_from_slice(own);
        let parts = Parts {
            user_agent: &self.user_agent,
            referer: self.referer.as_deref(),
            codings: self.codings,
            fields: &fields,
        };
        Template::new(&parts).expect("fields are checked where they are read")
    }
}

/// Fields of the user that a request for a range would not send, or with another meaning.
const TERMS: [&str; 6] =
    ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "accept-encoding"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::proxy::Proxy;

    const NETRC: &str = "machine h.example login ann password one\n\
                         machine h.example login bob password two\n\
                         machine i.example password three";

    fn requests(basic_auth: Option<&str>, netrc: Option<&str>) -> Requests {
        let fields =
            [("X-Run".to_owned(), "run".to_owned()), ("X-Both".to_owned(), "run".to_owned())];
        let parts = Parts { user_agent: "agent", fields: &fields, ..Parts::default() };
        Requests::new(&parts, basic_auth, netrc.map(|text| Netrc::parse(text).unwrap())).unwrap()
    }

    /// The user and password that go with a request to `url`.
    fn sent(requests: &Requests, url: &str) -> Option<String> {
        let authorization = requests.authorization(&Target::parse(url).unwrap())?;
        let known = ["u:p", "u:", "run:secret", "ann:one", "bob:two", "eve:", ":three"];
        known.iter().find(|text| *authorization == basic(text)).map(|text| (*text).to_owned())
    }

    #[test]
    fn credentials_come_from_the_url_then_the_option_then_netrc() {
        let url = "http://h.example/";
        let table = [
            (None, None, url, None),
            (None, None, "http://u:p@h.example/", Some("u:p")),
            (None, None, "http://u@h.example/", Some("u:")),
            (Some("run:secret"), None, url, Some("run:secret")),
            (Some("run:secret"), Some(NETRC), url, Some("run:secret")),
            (Some("run:secret"), Some(NETRC), "http://u:p@h.example/", Some("u:p")),
            (None, Some(NETRC), url, Some("ann:one")),
            (None, Some(NETRC), "http://H.EXAMPLE:81/", Some("ann:one")),
            (None, Some(NETRC), "http://bob@h.example/", Some("bob:two")),
            (Some("run:secret"), Some(NETRC), "http://bob@h.example/", Some("bob:two")),
            (None, Some(NETRC), "http://eve@h.example/", Some("eve:")),
            (None, Some(NETRC), "http://i.example/", Some(":three")),
            (None, Some(NETRC), "http://other.example/", None),
        ];
        for (basic_auth, netrc, url, wanted) in table {
            let sent = sent(&requests(basic_auth, netrc), url);
            assert_eq!(sent.as_deref(), wanted, "{basic_auth:?} {netrc:?} {url}");
        }
    }

    fn encoded(wanted: &Wanted<'_>) -> String {
        let mut out = b"left over".to_vec();
        requests(Some("run:secret"), None).encode(wanted, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_of_a_job_replace_those_of_the_run() {
        let target = Target::parse("http://h.example/a?b").unwrap();
        let own = [("x-both".to_owned(), "job".to_owned()), ("Cookie".to_owned(), "c".to_owned())];
        let mut wanted = Wanted {
            target: &target,
            login: &target,
            fields: &own,
            secrets: Secrets::Send,
            route: Route::Direct,
            conditions: Conditions::default(),
        };
        let text = encoded(&wanted);
        assert!(text.starts_with("GET /a?b HTTP/1.1\r\nHost: h.example\r\n"), "{text}");
        assert!(text.contains("X-Run: run\r\nx-both: job\r\n"), "{text}");
        assert!(text.contains("Cookie: c\r\n") && text.contains("Authorization: "), "{text}");
        assert!(!text.contains("X-Both"), "{text}");
        wanted.secrets = Secrets::Withhold;
        let text = encoded(&wanted);
        assert!(!text.contains("Cookie") && !text.contains("Authorization"), "{text}");
        wanted.fields = &[];
        assert!(encoded(&wanted).contains("X-Both: run\r\n"));
    }

    #[test]
    fn a_range_of_the_user_is_known() {
        let field = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let (plain, range) = (field("X-Range", "a"), field("rAnge", "bytes=0-1"));
        let removed = field("Range", "");
        let table = [
            (&plain, &plain, false),
            (&range, &plain, true),
            (&plain, &range, true),
            (&removed, &plain, false),
            // Fields of a job replace those of the run.
            (&range, &removed, false),
            (&removed, &range, true),
        ];
        for (run, job, wanted) in table {
            let parts = Parts { fields: run, ..Parts::default() };
            let requests = Requests::new(&parts, None, None).unwrap();
            assert_eq!(requests.has_own_range(job), wanted, "{run:?} {job:?}");
        }
    }

    #[test]
    fn a_part_is_asked_for_beside_the_fields_of_the_job() {
        let target = Target::parse("http://h.example/a").unwrap();
        let own = [("Range".to_owned(), "bytes=0-1".to_owned())];
        let text = encoded(&Wanted {
            target: &target,
            login: &target,
            fields: &own,
            secrets: Secrets::Send,
            route: Route::Direct,
            conditions: Conditions { range: Some((2, None)), ..Conditions::default() },
        });
        assert!(text.contains("\r\nRange: bytes=2-\r\n") && !text.contains("0-1"), "{text}");
    }

    #[test]
    fn only_a_proxy_that_passes_a_request_on_is_told_the_whole_url() {
        let proxy = Proxy::parse("http://p.example:3128").unwrap();
        let target = Target::parse("http://h.example/a").unwrap();
        let first_line = |route| {
            let (fields, secrets): (&[(String, String)], _) = (&[], Secrets::Send);
            let conditions = Conditions::default();
            let (target, login) = (&target, &target);
            let text = encoded(&Wanted { target, login, fields, secrets, route, conditions });
            text.lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(first_line(Route::HttpForward(&proxy)), "GET http://h.example/a HTTP/1.1");
        for route in [Route::Direct, Route::Tunnel(&proxy)] {
            assert_eq!(first_line(route), "GET /a HTTP/1.1");
        }
    }
}
