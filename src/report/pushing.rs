//! Hosts that push back (429, 503): their share of refusals, and the limit that was found.

use super::figures::{HostName, Of};
use crate::fault::escape_hidden;
use std::fmt;

/// A host that refused requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushing {
    /// `name[:port]`.
    pub host: String,
    /// Requests that were answered, refused ones included.
    pub requests: u64,
    /// Requests that were refused.
    pub refusals: u64,
    /// Connections that the host may have now.
    pub window: u64,
    /// Requests a second that the host was found to bear; `None` where it does not limit them.
    pub rate: Option<f64>,
    /// Whether there are jobs for the host.
    pub has_jobs: bool,
}

impl Pushing {
    /// Whether the host is to be shown: a few refusals among very many answers may be about a URL.
    pub fn is_notable(&self) -> bool {
        let is_seldom = self.refusals < REFUSALS_MIN || self.refusals < self.requests / 1_000;
        self.rate.is_some() || !is_seldom
    }

    /// The host in a few words, for the line of progress; its name in at most this many characters.
    pub fn briefly(&self, host_chars_max: usize) -> String {
        let host = HostName(&self.host, host_chars_max);
        let share = share(self.refusals, self.requests);
        match self.rate {
            Some(rate) => format!("{host} refuses {share}, asked at {}/s", per_second(rate)),
            None => format!("{host} refuses {share}, {} at once", self.window),
        }
    }
}

/// The hosts that are to be shown, those with most refusals first.
pub fn notable(mut hosts: Vec<Pushing>) -> Vec<Pushing> {
    hosts.retain(Pushing::is_notable);
    hosts.sort_by(|a, b| b.refusals.cmp(&a.refusals).then_with(|| a.host.cmp(&b.host)));
    hosts
}

impl fmt::Display for Pushing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, share) = (escape_hidden(&self.host), share(self.refusals, self.requests));
        write!(f, "{host} refused {share} of {}; ", Of(self.requests, "request"))?;
        match self.rate {
            Some(rate) => write!(f, "asked at {} requests/s since", per_second(rate)),
            None => write!(f, "with {} since", Of(self.window, "connection")),
        }
    }
}

/// The lines of the summary; none where no host is to be shown.
pub fn summary(hosts: &[Pushing]) -> Vec<String> {
    let mut lines: Vec<String> = hosts.iter().take(HOSTS_SHOWN).map(Pushing::to_string).collect();
    let more = hosts.len().saturating_sub(HOSTS_SHOWN) as u64;
    if more > 0 {
        lines.push(format!("{} refused requests", Of(more, "more host")));
    }
    lines
}

/// The worst host that still has jobs.
pub fn worst(hosts: &[Pushing]) -> Option<&Pushing> {
    hosts.iter().find(|host| host.has_jobs)
}

/// The hosts as a list of JSON objects, up to `HOSTS_IN_JSON`.
pub fn json(hosts: &[Pushing]) -> serde_json::Value {
    let object = |host: &Pushing| {
        serde_json::json!({
            "host": host.host,
            "requests": host.requests,
            "refusals": host.refusals,
            "connections": host.window,
            "requests_per_second": host.rate.map(|rate| (rate * 1e3).round() / 1e3),
        })
    };
    hosts.iter().take(HOSTS_IN_JSON).map(object).collect()
}

/// A share in percent: exact where it is small, and neither 0 nor 100 unless it is.
fn share(part: u64, whole: u64) -> String {
    let percent = part as f64 * 100.0 / whole.max(1) as f64;
    match percent {
        _ if part == 0 || part >= whole => format!("{percent:.0}%"),
        ..0.1 => "less than 0.1%".to_owned(),
        0.1..0.95 => format!("{percent:.1}%"),
        _ => format!("{:.0}%", percent.min(99.0)),
    }
}

/// A rate, to two digits or so.
fn per_second(rate: f64) -> String {
    match rate {
        0.995.. if rate < 99.95 => format!("{rate:.1}"),
        ..0.995 => format!("{rate:.2}"),
        _ => format!("{rate:.0}"),
    }
}

/// Hosts with fewer refusals are not shown, unless a rate was found.
const REFUSALS_MIN: u64 = 3;
/// Most hosts in the summary.
const HOSTS_SHOWN: usize = 5;
/// Most hosts in JSON.
const HOSTS_IN_JSON: usize = 50;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn host(name: &str, requests: u64, refusals: u64, rate: Option<f64>) -> Pushing {
        let host = name.to_owned();
        Pushing { host, requests, refusals, window: 15, rate, has_jobs: true }
    }

    #[test]
    fn a_host_in_words() {
        let limited = host("img.example", 2_000, 80, Some(9.6));
        let words = "img.example refused 4% of 2,000 requests; asked at 9.6 requests/s since";
        assert_eq!(limited.to_string(), words);
        let narrow = host("b.example:81", 1_234_567, 1_234_567, None);
        let words = "b.example:81 refused 100% of 1,234,567 requests; with 15 connections since";
        assert_eq!(narrow.to_string(), words);
        let odd = Pushing { window: 1, ..host("\u{1b}c", 1_000, 999, None) };
        assert!(
            odd.to_string().ends_with(" refused 99% of 1,000 requests; with 1 connection since")
        );
        assert!(!odd.to_string().contains('\u{1b}'));
    }

    #[test]
    fn shares_and_rates() {
        let shares = [(0, 5), (1, 100_000), (1, 1_000), (94, 10_000), (1, 100), (5, 5)];
        let told = shares.map(|(part, whole)| share(part, whole));
        assert_eq!(told, ["0%", "less than 0.1%", "0.1%", "0.9%", "1%", "100%"]);
        let rates = [0.2, 0.999, 9.62, 99.94, 99.96, 1_200.4].map(per_second);
        assert_eq!(rates, ["0.20", "1.0", "9.6", "99.9", "100", "1200"]);
    }

    #[test]
    fn only_hosts_that_push_back_are_named_and_the_worst_first() {
        let quiet = host("quiet.example", 1_000, 2, None);
        let large = host("large.example", 10_000, 9, None);
        let busy = host("busy.example", 100, 30, None);
        let paced = Pushing { has_jobs: false, ..host("paced.example", 9, 1, Some(0.5)) };
        let finished = Pushing { has_jobs: false, ..host("worst.example", 100, 60, None) };
        let named = notable(vec![quiet, large, paced, busy, finished]);
        let names: Vec<&str> = named.iter().map(|host| &*host.host).collect();
        assert_eq!(names, ["worst.example", "busy.example", "paced.example"]);
        assert_eq!(worst(&named).unwrap().briefly(40), "busy.example refuses 30%, 15 at once");
        assert_eq!(worst(&named[2..]), None);
        assert_eq!((summary(&[]).len(), summary(&named).len()), (0, 3));
        let many = vec![named[1].clone(); 7];
        assert_eq!(summary(&many)[HOSTS_SHOWN], "2 more hosts refused requests");
        let json = json(&named);
        assert_eq!(
            (&json[0]["refusals"], &json[2]["requests_per_second"]),
            (&60.into(), &0.5.into())
        );
    }
}
