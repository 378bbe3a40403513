//! The way to servers: proxies of options and environment variables.

use crate::cli::values;
use crate::error::RunError;
use crate::http::request::PROXY_AUTHORIZATION;
use crate::plan::address::AddressPolicy;
use crate::plan::proxy::{Given, Options, Proxies};
use crate::plan::target::Scheme;
use anyhow::bail;
use clap::Args;
use std::fmt;

/// The way to servers. All of it is checked later, since clap repeats what it refuses, passwords
/// included; `Debug` shows nothing for the same reason.
#[derive(Args)]
#[command(next_help_heading = "Connections")]
pub struct ProxyArgs {
    /// Proxy for all URLs; '' for none [default: of the environment]
    ///
    /// http://HOST:PORT, socks5://HOST:PORT (names are looked up here) or socks5h://HOST:PORT (the
    /// proxy looks them up); the port is 1080 by default. Without this option, http_proxy,
    /// https_proxy and all_proxy of the environment decide.
    ///
    /// Example: --proxy socks5h://10.0.0.1
    #[arg(long, alias = "all-proxy", value_name = "URL")]
    pub proxy: Option<String>,
    /// Hosts to reach directly, separated by commas.
    ///
    /// Names (and all below them), addresses and networks (10.0.0.0/8), each with an optional
    /// :PORT; '*' is all. [default: no_proxy of the environment]
    #[arg(long, value_name = "LIST", hide_short_help = true)]
    pub noproxy: Option<String>,
    /// User and password for the proxy, unless its URL has them.
    ///
    /// Neither is ever sent to another server, nor shown.
    #[arg(long, value_name = "USER:PASSWORD", hide_short_help = true)]
    pub proxy_user: Option<String>,
}

impl fmt::Debug for ProxyArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyArgs").finish_non_exhaustive()
    }
}

impl ProxyArgs {
    /// The proxies of the run, and a note for the user where they are those of the environment.
    /// What was typed goes before that. `Proxy-Authorization` is taken out of the fields, which go
    /// to origins.
    ///
    /// # Errors
    /// A [`RunError`] of class usage, which does not repeat what may hold a password.
    pub(crate) fn resolve(
        &self,
        variables: &[(&'static str, String)],
        fields: &mut Vec<(String, String)>,
    ) -> anyhow::Result<(Proxies, Option<String>)> {
        let from = |names: &[&str]| {
            let find = |name: &&str| variables.iter().find(|(known, _)| known == name);
            names.iter().find_map(find).map(|(name, value)| (*name, value.clone()))
        };
        let proxy = |names: &[&str]| match &self.proxy {
            Some(url) if url.is_empty() => None,
            Some(url) => Some(Given { url: url.clone(), variable: None }),
            None => from(names).map(|(name, url)| Given { url, variable: Some(name) }),
        };
        let no_proxy = self.noproxy.clone();
        let no_proxy = no_proxy.or_else(|| from(&["no_proxy", "NO_PROXY"]).map(|(_, list)| list));
        if let Some(Err(problem)) = self.proxy_user.as_deref().map(values::user) {
            bail!(RunError::usage(format!("cannot use --proxy-user: {problem}")));
        }
        let is_for_proxy =
            |(name, _): &mut (String, String)| name.eq_ignore_ascii_case(PROXY_AUTHORIZATION);
        let options = Options {
            http: proxy(&["http_proxy", "all_proxy", "ALL_PROXY"]),
            https: proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            no_proxy: no_proxy.unwrap_or_default(),
            user: self.proxy_user.clone(),
            authorization: fields.extract_if(.., is_for_proxy).last().map(|(_, value)| value),
        };
        match Proxies::new(&options) {
            Ok(proxies) => {
                let note = note(&options, &proxies);
                Ok((proxies, note))
            }
            Err(error) => {
                let hint = match options.http.as_ref().or(options.https.as_ref()) {
                    Some(Given { variable: Some(_), .. }) => " (--proxy '' goes without)",
                    Some(Given { variable: None, .. }) | None => "",
                };
                bail!(RunError::usage(format!("{error}{hint}")))
            }
        }
    }
}

/// Asks the environment. An empty variable is as good as none, as with curl.
pub(crate) fn ask(names: &[&'static str]) -> Vec<(&'static str, String)> {
    let value = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let set = names.iter().filter_map(|name| Some((*name, value(name)?)));
    set.filter(|(_, value)| !value.is_empty()).collect()
}

/// A proxy that looks names up itself connects to addresses that nobody here sees.
///
/// # Errors
/// A [`RunError`] of class usage when only public addresses are to be reached through one.
pub(crate) fn checked_address_policy(
    policy: AddressPolicy,
    proxies: &Proxies,
) -> anyhow::Result<AddressPolicy> {
    let all = [Scheme::Http, Scheme::Https].into_iter().filter_map(|scheme| proxies.of(scheme));
    match all.into_iter().find(|proxy| proxy.is_resolving()) {
        Some(proxy) if policy != AddressPolicy::Any => bail!(RunError::usage(format!(
            "cannot keep --no-private: {proxy} looks names up itself; go without it \
             (--proxy '') or through socks5://"
        ))),
        Some(_) | None => Ok(policy),
    }
}

/// A note that the environment decides where requests go, which people forget.
fn note(options: &Options, proxies: &Proxies) -> Option<String> {
    let mut ways = Vec::new();
    for (scheme, given) in [(Scheme::Http, &options.http), (Scheme::Https, &options.https)] {
        let variable = given.as_ref().and_then(|given| given.variable);
        if let (Some(variable), Some(proxy)) = (variable, proxies.of(scheme)) {
            ways.push(format!("{scheme} URLs through {proxy} ({variable})"));
        }
    }
    if ways.is_empty() {
        return None;
    }
    Some(format!("the environment sends {}; --proxy '' goes without", ways.join(", ")))
}

/// The environment variables, those that come first before those that stand in for them. There is
/// no `HTTP_PROXY`: in a CGI program that is the `Proxy` field of whoever sends a request
/// (CVE-2016-5385, "httpoxy").
pub(crate) const VARIABLES: [&str; 7] =
    ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

#[cfg(test)]
mod tests;
