//! Proxies as they are written, the hosts that need none, and the way to each origin.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Proxy {
    Proxy::parse(text).unwrap_or_else(|problem| panic!("{text:?}: {problem}"))
}

#[test]
fn proxies_are_taken_apart() {
    let table = [
        ("p.example", "http://p.example:1080", None),
        ("p.example:80", "http://p.example:80", None),
        ("http://p.example", "http://p.example:1080", None),
        (" HTTP://P.Example:3128/ ", "http://p.example:3128", None),
        ("http://p:80", "http://p:80", None),
        ("socks5://10.0.0.1", "socks5://10.0.0.1:1080", None),
        ("SOCKS5H://p:9050", "socks5h://p:9050", None),
        ("http://[2001:DB8::1]:3128", "http://[2001:db8::1]:3128", None),
        ("[::1]", "http://[::1]:1080", None),
        ("http://bücher.example:1", "http://xn--bcher-kva.example:1", None),
        ("u:p@h:1", "http://h:1", Some(("u", "p"))),
        ("http://u@h:1", "http://h:1", Some(("u", ""))),
        ("http://@h:1", "http://h:1", None),
        ("http://u%40d:p%2F%3a@h:1", "http://h:1", Some(("u@d", "p/:"))),
        ("http://u:a@b:c@h:1", "http://h:1", Some(("u", "a@b:c"))),
        ("socks5://u:p:q@h", "socks5://h:1080", Some(("u", "p:q"))),
    ];
    for (text, shown, credentials) in table {
        let proxy = parse(text);
        assert_eq!(proxy.to_string(), shown, "{text:?}");
        assert_eq!(proxy.credentials(), credentials, "{text:?}");
        assert_eq!(format!("{proxy:?}"), format!("Proxy({shown})"), "no credentials");
    }
}

#[test]
fn bad_proxies_are_refused_without_repeating_them() {
    use ProxyProblem::{Credentials, Host, Https, Path, Port, Scheme, Socks4};
    let table = [
        ("https://h:1", Https),
        ("socks4://h:1", Socks4),
        ("socks4a://h:1", Socks4),
        ("socks://h:1", Socks4),
        ("ftp://h:1", Scheme),
        ("://h", Scheme),
        ("http://", Host),
        ("", Host),
        ("http://a%2fb:1", Host),
        ("http://a b:1", Host),
        ("http://h\r\n:1", Host),
        ("http://[::1:1", Host),
        ("http://h:", Port),
        ("http://h:0", Port),
        ("http://h:65536", Port),
        ("http://h:+1", Port),
        ("http://u:secret:x@h:p", Port),
        ("http://h:1/x", Path),
        ("http://u:sec/ret@h:1", Path),
        ("http://u:sec#ret@h:1", Path),
        ("http://h:1?x", Path),
        ("http://u%3a:secret@h:1", Credentials),
        ("http://u:secret%0a@h:1", Credentials),
        ("http://u:secret%ff@h:1", Credentials),
    ];
    for (text, problem) in table {
        assert_eq!(Proxy::parse(text), Err(problem), "{text:?}");
        assert!(!problem.to_string().contains("secret"), "{text:?}");
    }
}

#[test]
fn some_hosts_need_none() {
    let table = [
        ("", "a.example", 80, false),
        (" , ,", "a.example", 80, false),
        ("*", "a.example", 80, true),
        ("x, *", "::1", 80, true),
        ("a.example", "a.example", 80, true),
        ("A.Example", "a.example", 80, true),
        ("a.example", "b.a.example", 80, true),
        ("a.example", "ba.example", 80, false),
        ("a.example", "example", 80, false),
        ("a.example", "a.example.evil", 80, false),
        (".a.example", "a.example", 80, true),
        (".a.example", "b.a.example", 80, true),
        ("*.a.example", "b.a.example", 80, true),
        ("a.example.", "a.example", 80, true),
        ("a.example", "a.example.", 80, true),
        ("example", "a.example", 80, true),
        ("bücher.example", "xn--bcher-kva.example", 80, true),
        ("x y\ta.example\nz", "a.example", 80, true),
        ("a.example:80", "a.example", 80, true),
        ("a.example:80", "a.example", 443, false),
        ("*:443", "a.example", 443, true),
        ("*:443", "a.example", 80, false),
        ("a.example:", "a.example", 80, false),
        ("a.example:99999", "a.example", 80, false),
        ("10.0.0.1", "10.0.0.1", 80, true),
        ("10.0.0.1", "110.0.0.1", 80, false),
        ("0.0.1", "10.0.0.1", 80, false),
        ("10.0.0.1:8080", "10.0.0.1", 8080, true),
        ("10.0.0.1:8080", "10.0.0.1", 80, false),
        ("10.0.0.0/8", "10.255.0.1", 80, true),
        ("10.0.0.0/8", "11.0.0.1", 80, false),
        ("10.9.9.9/8", "10.0.0.1", 80, true),
        ("10.0.0.0/8:81", "10.0.0.1", 81, true),
        ("10.0.0.0/8:81", "10.0.0.1", 80, false),
        ("0.0.0.0/0", "10.0.0.1", 80, true),
        ("0.0.0.0/0", "::1", 80, false),
        ("0.0.0.0/0", "a.example", 80, false),
        ("10.0.0.0/33", "10.0.0.1", 80, false),
        ("10.0.0.0/", "10.0.0.1", 80, false),
        ("10.0.0.0/+8", "10.0.0.1", 80, false),
        ("10.0.0.1/32", "10.0.0.1", 80, true),
        ("10.0.0.1/32", "10.0.0.2", 80, false),
        ("::1", "::1", 80, true),
        ("[::1]", "::1", 80, true),
        ("[::1]:81", "::1", 81, true),
        ("[::1]:81", "::1", 80, false),
        ("2001:db8::/32", "2001:db8::5", 80, true),
        ("[2001:db8::]/32", "2001:db8::5", 80, true),
        ("2001:db8::/32", "2001:db9::5", 80, false),
        ("::/0", "::1", 80, true),
        ("<local>", "local", 80, false),
        ("a.example/x", "a.example", 80, false),
        ("@a.example", "a.example", 80, false),
    ];
    for (list, host, port, is_direct) in table {
        let no_proxy = NoProxy::parse(list);
        assert_eq!(no_proxy.is_for(host, port), is_direct, "{list:?} {host} {port}");
    }
}

fn given(url: &str) -> Option<Given> {
    Some(Given { url: url.to_owned(), variable: None })
}

fn config(http: &str, https: &str) -> Options {
    Options { http: given(http), https: given(https), ..Options::default() }
}

#[test]
fn the_way_is_that_of_scheme_and_host() {
    let config = Options { no_proxy: "near.example".to_owned(), ..config("p:1", "p:2") };
    let proxies = Proxies::new(&config).unwrap();
    let way = |url: &str| format!("{:?}", proxies.choose(&Target::parse(url).unwrap()));
    assert_eq!(way("http://a/x"), "HttpForward(Proxy(http://p:1))");
    assert_eq!(way("https://a/x"), "Tunnel(Proxy(http://p:2))");
    assert_eq!(way("https://b.near.example:8443/"), "Direct");
    assert_eq!(way("http://near.example/"), "Direct");

    let proxies = Proxies::new(&self::config("socks5://p:1", "socks5h://p:2")).unwrap();
    let way = |url: &str| format!("{:?}", proxies.choose(&Target::parse(url).unwrap()));
    assert_eq!(way("http://a/x"), "Socks5(Proxy(socks5://p:1), Us)");
    assert_eq!(way("https://a/x"), "Socks5(Proxy(socks5h://p:2), Proxy)");
    let proxies = Proxies::default();
    assert_eq!(proxies.choose(&Target::parse("http://a/").unwrap()), Route::Direct);
}

#[test]
fn credentials_are_those_of_the_url_then_the_option() {
    let of = |url: &str, user: Option<&str>, authorization: Option<&str>| {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let (user, authorization) = (owned(user), owned(authorization));
        let proxies = Proxies::new(&Options { user, authorization, ..config(url, url) })?;
        Ok::<_, ProxyError>(proxies.of(Scheme::Http).unwrap().clone())
    };
    let header = |url, user, authorization| {
        of(url, user, authorization).unwrap().authorization().map(str::to_owned)
    };
    assert_eq!(header("p", None, None), None);
    assert_eq!(header("u:p@p", Some("x:y"), None).as_deref(), Some("Basic dTpw"));
    assert_eq!(header("p", Some("x:y:z"), None).as_deref(), Some("Basic eDp5Ono="));
    assert_eq!(header("u:p@p", None, Some("Bearer t")).as_deref(), Some("Bearer t"));
    assert_eq!(header("u:p@p", None, Some("")), None);
    assert_eq!(header("socks5://u:p@p", None, Some("Bearer t")), None);
    let socks = of("socks5://p", Some("x:y:z"), None).unwrap();
    assert_eq!(socks.credentials(), Some(("x", "y:z")));
    let long = format!("x:{}", "y".repeat(256));
    let error = of("socks5://p", Some(&long), None).unwrap_err();
    assert_eq!(error.problem, ProxyProblem::CredentialsTooLong);
    assert!(of("http://p", Some(&long), None).is_ok());
}

#[test]
fn an_error_says_where_the_proxy_was_given() {
    let mut config = config("p:1", "https://p:2");
    let told = |config: &Options| Proxies::new(config).unwrap_err().to_string();
    assert!(told(&config).starts_with("cannot use the proxy of --proxy: https:// proxies"));
    config.https.as_mut().unwrap().variable = Some("HTTPS_PROXY");
    assert!(told(&config).starts_with("cannot use the proxy of HTTPS_PROXY: "));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_typed_panics_and_what_is_taken_can_be_written_back(
        text in "[a-z0-9:/@%.\\[\\]*, #?é-]{0,40}|.{0,40}",
    ) {
        let _ = NoProxy::parse(&text).is_for("a.example", 80);
        let _ = NoProxy::parse(&text).is_for("10.0.0.1", 80);
        let _ = NoProxy::parse(&text).is_for("::1", 80);
        if let Ok(proxy) = Proxy::parse(&text) {
            let shown = proxy.to_string();
            let again = Proxy::parse(&shown).unwrap();
            prop_assert_eq!(again.to_string(), shown);
            prop_assert_eq!((again.host(), again.port()), (proxy.host(), proxy.port()));
        }
    }

    /// The same origin, the same way: a pooled connection depends on it.
    #[test]
    fn the_way_depends_on_the_origin_alone(
        host in "[a-c]{1,2}(\\.[a-c]{1,2}){0,2}",
        list in "([a-c.]{1,3},){0,3}",
        paths in ("/[a-c?=@:]{0,8}", "/[a-c?=@:]{0,8}"),
        is_https in any::<bool>(),
    ) {
        let config = Options { no_proxy: list, ..config("p:1", "socks5://p:2") };
        let proxies = Proxies::new(&config).unwrap();
        let scheme = if is_https { "https" } else { "http" };
        let target = |user: &str, path: &str| {
            Target::parse(&format!("{scheme}://{user}{host}{path}")).unwrap()
        };
        let (one, other) = (target("", &paths.0), target("u:p@", &paths.1));
        prop_assert!(one.same_origin(&other));
        prop_assert_eq!(proxies.choose(&one), proxies.choose(&other));
    }
}

#[test]
fn names_are_looked_up_by_whoever_connects() {
    let ours = |proxy: &str| {
        let given = Some(Given { url: proxy.to_owned(), variable: None });
        let no_proxy = "near.example".to_owned();
        let config = Options { http: given, no_proxy, ..Options::default() };
        let proxies = Proxies::new(&config).unwrap();
        let far = |scheme| proxies.is_name_ours(scheme, "far.example", 80);
        (
            far(Scheme::Http),
            far(Scheme::Https),
            proxies.is_name_ours(Scheme::Http, "near.example", 80),
        )
    };
    assert_eq!(ours("http://p"), (false, true, true));
    assert_eq!(ours("socks5h://p"), (false, true, true));
    assert_eq!(ours("socks5://p"), (true, true, true));
}
