//! Metrics as text, in the exposition format of Prometheus, version 0.0.4: families with `# HELP`
//! and `# TYPE`, base units (seconds, bytes), counters that end in `_total`.
//!
//! The number of samples is bounded: labels are closed sets (status, fault code, core), status
//! codes of responses, and the names of the few hosts that hold the run up or push back.

use super::stats::{Buckets, Stats};
use super::view::{CoreView, View};
use std::fmt::{Display, Write as _};
use std::time::{Duration, SystemTime};

/// `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The whole page about a run that began at `started_at`.
pub fn encode(view: &View, stats: &Stats, started_at: SystemTime) -> String {
    let mut page = Page { text: String::with_capacity(PAGE_BYTES) };
    page.family("build_info", Kind::Gauge, "The version of ringpull, always 1.");
    page.sample("build_info", &[("version", &env!("CARGO_PKG_VERSION"))], 1);
    let started = started_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    page.one(
        "start_time_seconds",
        Kind::Gauge,
        "When the run began, since 1970.",
        started.as_secs_f64(),
    );
    page.input(view);
    page.rows(stats);
    page.one(
        "received_bytes_total",
        Kind::Counter,
        "Body bytes received, those of transfers under way and of failed ones included.",
        view.bytes,
    );
    page.jobs(view);
    page.hosts(view);
    page.histogram(
        "time_to_first_byte_seconds",
        "From the begin of the last attempt to the first byte of its response.",
        &stats.time_starttransfer_buckets(&FIRST_BYTE_BOUNDS),
        &FIRST_BYTE_BOUNDS,
    );
    page.histogram(
        "time_total_seconds",
        "From the begin of the first attempt of a job to its end, ok or failed.",
        &stats.time_total_buckets(&TOTAL_BOUNDS),
        &TOTAL_BOUNDS,
    );
    page.text
}

/// A page in the making.
struct Page {
    text: String,
}

/// Type of a family.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Page {
    fn input(&mut self, view: &View) {
        let help = "Input lines read that have a row or will have one.";
        self.one("lines_read_total", Kind::Counter, help, view.lines_read);
        let help = "1 once the input was read to its end.";
        self.one("input_read", Kind::Gauge, help, u8::from(view.is_input_read));
    }

    fn rows(&mut self, stats: &Stats) {
        self.family("rows_total", Kind::Counter, "Rows made, by how their job ended.");
        let rows = [
            ("ok", stats.ok),
            ("skipped", stats.skipped),
            ("failed", stats.failed),
            ("cancelled", stats.cancelled),
        ];
        for (status, count) in rows {
            self.sample("rows_total", &[("status", &status)], count);
        }
        self.family("faults_total", Kind::Counter, "Rows with a fault, by its code.");
        for (code, fault) in &stats.faults {
            self.sample("faults_total", &[("code", code)], fault.count);
        }
        self.family("responses_total", Kind::Counter, "Rows by the status code of the response.");
        for (code, count) in &stats.response_codes {
            self.sample("responses_total", &[("code", code)], count);
        }
        let of_rows = [
            ("retries_total", "Attempts after the first, of jobs that ended.", stats.retries),
            ("redirects_total", "Redirects followed, by jobs that ended.", stats.redirects),
            ("connects_total", "Connections opened, by jobs that ended.", stats.connects),
            (
                "files_replaced_total",
                "Files that were there and were replaced.",
                stats.files_replaced,
            ),
        ];
        for (name, help, count) in of_rows {
            self.one(name, Kind::Counter, help, count);
        }
    }

    fn jobs(&mut self, view: &View) {
        self.by_core("jobs_in_flight", "Jobs in flight, by core.", view, |core| core.in_flight);
        let help = "Jobs that may be in flight.";
        self.one("jobs_in_flight_max", Kind::Gauge, help, view.in_flight_max);
        let help = "Jobs of the look-ahead that wait for a slot.";
        self.one("jobs_queued", Kind::Gauge, help, view.queued);
        let help = "Jobs that wait for another attempt.";
        self.one("jobs_deferred", Kind::Gauge, help, view.deferred);
        let help = "Jobs that may be read ahead of the work.";
        self.one("lookahead_max", Kind::Gauge, help, view.lookahead_max);
        let help = "Connections kept for further requests.";
        self.by_core("connections_idle", help, view, |core| core.idle);
        let help = "Names whose addresses are known, or known not to be.";
        self.one("dns_names_known", Kind::Gauge, help, view.names_known);
        let help = "Names that are being looked up.";
        self.one("dns_names_asked", Kind::Gauge, help, view.names_asked);
        let help = "1 while the disk is full and nothing begins.";
        self.one("paused", Kind::Gauge, help, u8::from(view.is_paused));
        let help = "How often a job lacked descriptors, memory or ports of this machine.";
        self.one("shortages_total", Kind::Counter, help, view.shortages);
    }

    fn hosts(&mut self, view: &View) {
        self.family("hosts", Kind::Gauge, "Hosts with jobs that something is wrong with.");
        let hosts = [
            ("resting", view.hosts_resting),
            ("unreachable", view.hosts_unreachable),
            ("lowered", view.hosts_lowered),
        ];
        for (state, count) in hosts {
            self.sample("hosts", &[("state", &state)], count);
        }
        let help = "Jobs that wait for the hosts that hold the run up, ten of them at most.";
        self.family("host_jobs_queued", Kind::Gauge, help);
        for holdup in view.holdups.iter().take(HOSTS_MAX) {
            self.sample("host_jobs_queued", &[("host", &holdup.host)], holdup.queued);
        }
        self.pushing(view);
    }

    /// Adds the hosts that push back.
    fn pushing(&mut self, view: &View) {
        let hosts = || view.pushing.iter().take(HOSTS_MAX);
        let help = "Requests answered by the hosts that refused most (429, 503), ten at most.";
        self.family("host_requests_total", Kind::Counter, help);
        for host in hosts() {
            self.sample("host_requests_total", &[("host", &host.host)], host.requests);
        }
        self.family("host_refusals_total", Kind::Counter, "Those of them that were refused.");
        for host in hosts() {
            self.sample("host_refusals_total", &[("host", &host.host)], host.refusals);
        }
        self.family("host_connections_max", Kind::Gauge, "Connections that they may have now.");
        for host in hosts() {
            self.sample("host_connections_max", &[("host", &host.host)], host.window);
        }
        let help = "Requests a second that they were found to bear, where they limit those.";
        self.family("host_requests_per_second", Kind::Gauge, help);
        for (host, rate) in hosts().filter_map(|host| Some((host, host.rate?))) {
            self.sample("host_requests_per_second", &[("host", &host.host)], rate);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, buckets: &Buckets, bounds: &[Duration]) {
        self.family(name, Kind::Histogram, help);
        let bucket = format!("{name}_bucket");
        for (bound, count) in bounds.iter().zip(&buckets.counts) {
            self.sample(&bucket, &[("le", &bound.as_secs_f64())], count);
        }
        self.sample(&bucket, &[("le", &"+Inf")], buckets.count);
        self.sample(&format!("{name}_sum"), &[], buckets.sum.as_secs_f64());
        self.sample(&format!("{name}_count"), &[], buckets.count);
    }

    /// Adds a family with a sample for each core.
    fn by_core(&mut self, name: &str, help: &str, view: &View, value: fn(&CoreView) -> usize) {
        self.family(name, Kind::Gauge, help);
        for (core, view) in view.cores.iter().enumerate() {
            self.sample(name, &[("core", &core)], value(view));
        }
    }

    /// Adds a family of one sample.
    fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        debug_assert!(!help.contains(['\\', '\n']), "help is not escaped");
        write!(self.text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n")
            .expect("a String takes any text");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.text.push_str(PREFIX);
        self.text.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            for char in value.to_string().chars() {
                match char {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    char => self.text.push(char),
                }
            }
            self.text.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        writeln!(self.text, "{end} {value}").expect("a String takes any text");
    }
}

/// Begin of every name.
const PREFIX: &str = "ringpull_";

/// Most hosts that are named.
pub const HOSTS_MAX: usize = 10;

/// Capacity for a page of the usual size, in bytes.
const PAGE_BYTES: usize = 8 * 1024;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Bounds of the buckets of times to the first byte.
const FIRST_BYTE_BOUNDS: [Duration; 12] = [
    ms(1),
    ms(5),
    ms(10),
    ms(25),
    ms(50),
    ms(100),
    ms(250),
    ms(500),
    ms(1_000),
    ms(2_500),
    ms(10_000),
    ms(30_000),
];

/// Bounds of the buckets of whole times.
const TOTAL_BOUNDS: [Duration; 14] = [
    ms(5),
    ms(10),
    ms(25),
    ms(50),
    ms(100),
    ms(250),
    ms(500),
    ms(1_000),
    ms(2_500),
    ms(5_000),
    ms(10_000),
    ms(60_000),
    ms(300_000),
    ms(3_600_000),
];

#[cfg(test)]
mod tests {
    use super::super::pushing;
    use super::super::row::tests::{row_failed, row_ok};
    use super::super::view::Holdup;
    use super::super::view::tests::view;
    use super::*;

    fn page() -> String {
        let mut stats = Stats::default();
        stats.record(&row_ok());
        stats.record(&row_failed());
        let mut view = view();
        let odd = Holdup { host: "a\"b\\c\nd".to_owned(), ..view.holdups[0].clone() };
        view.holdups.push(odd);
        view.pushing.push(pushing::tests::host("img.example", 2_000, 80, Some(9.6)));
        encode(&view, &stats, SystemTime::UNIX_EPOCH + ms(1_500))
    }

    #[test]
    fn a_page_has_what_a_run_is_watched_by() {
        let page = page();
        for line in [
            "# TYPE ringpull_build_info gauge",
            "ringpull_start_time_seconds 1.5",
            "ringpull_lines_read_total 150",
            "ringpull_input_read 1",
            "ringpull_rows_total{status=\"ok\"} 1",
            "ringpull_faults_total{code=\"http.status\"} 1",
            "ringpull_responses_total{code=\"404\"} 1",
            "ringpull_files_replaced_total 1",
            "ringpull_received_bytes_total 10000000",
            "ringpull_jobs_in_flight{core=\"1\"} 3",
            "ringpull_connections_idle{core=\"0\"} 2",
            "ringpull_jobs_queued 91",
            "ringpull_hosts{state=\"resting\"} 3",
            "ringpull_host_refusals_total{host=\"img.example\"} 80",
            "ringpull_host_requests_per_second{host=\"img.example\"} 9.6",
            "ringpull_host_jobs_queued{host=\"slow.example\"} 1204",
            "ringpull_host_jobs_queued{host=\"a\\\"b\\\\c\\nd\"} 1204",
            "# TYPE ringpull_time_total_seconds histogram",
            "ringpull_time_total_seconds_bucket{le=\"+Inf\"} 2",
            "ringpull_time_total_seconds_count 2",
        ] {
            assert!(page.lines().any(|other| other == line), "{line}\n{page}");
        }
    }

    #[test]
    fn each_family_is_told_once_and_before_its_samples() {
        let page = page();
        let mut told: Vec<&str> = Vec::new();
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let name = rest.split(' ').next().unwrap();
                assert!(!told.contains(&name), "{name}");
                told.push(name);
            } else if !line.starts_with("# TYPE ") {
                let family = told.last().unwrap();
                assert!(line.starts_with(family), "{line} in {family}");
            }
        }
        assert!(page.ends_with('\n') && told.len() > 15);
    }

    #[test]
    fn buckets_add_up() {
        let mut stats = Stats::default();
        for time_ms in [1, 5, 6, 100, 101, 4_000_000] {
            let mut row = row_ok();
            row.times.total = ms(time_ms);
            stats.record(&row);
        }
        let bounds = [ms(5), ms(100), ms(1_000)];
        let buckets = stats.time_total_buckets(&bounds);
        assert_eq!(buckets.counts, [2, 4, 5]);
        assert_eq!((buckets.count, buckets.sum), (6, ms(4_000_213)));
    }
}
