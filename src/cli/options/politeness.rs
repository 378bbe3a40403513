//! How much is asked of one host, beside the number of connections.

use crate::cli::values::{self, Millis};
use crate::config::{PerHost, PolitenessConfig, RequestRate};
use crate::limits;
use clap::Args;

/// How much is asked of one host, beside the number of connections.
#[derive(Debug, Args)]
#[command(next_help_heading = "Politeness")]
pub struct PolitenessArgs {
    /// Keep -x connections to each host (8 without -x) whatever it answers, and find no rate.
    /// Retry-After is obeyed all the same
    #[arg(long)]
    pub fixed_connections: bool,
    /// Requests begun in a time over the whole run, for instance 50/s, 100/m or 1/5s; redirects and
    /// retries count
    #[arg(long, value_name = "N/UNIT", value_parser = rate)]
    pub rate: Option<RequestRate>,
    /// Requests begun in a time at each host
    #[arg(long, value_name = "N/UNIT", value_parser = rate)]
    pub rate_per_host: Option<RequestRate>,
    /// rclone's word for --rate: a number a second.
    #[arg(long, value_name = "N", hide = true, value_parser = per_second,
          conflicts_with = "rate")]
    pub tpslimit: Option<RequestRate>,
    /// Failures in a row to connect to a host or to find its name, after which it is left alone for
    /// --host-fail-wait; when one more job fails then too, the others fail at once
    /// (connect.host_down) for 30 times as long. Refusals without a good answer between, for
    /// --retry-after-max, do the same (http.host_busy). 0 tries every URL
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(..=1_000_000),
          default_value_t = limits::HOST_FAIL_LIMIT_DEFAULT)]
    pub host_fail_limit: u32,
    /// How long a host that cannot be reached is left alone before one job tries again; one that
    /// refuses everything, 30 times as long
    #[arg(long, value_name = "TIME", value_parser = values::duration,
          default_value_t = Millis(limits::HOST_FAIL_WAIT_DEFAULT_MS))]
    pub host_fail_wait: Millis,
}

impl PolitenessArgs {
    /// How polite the run is.
    pub(crate) fn resolve(&self) -> PolitenessConfig {
        PolitenessConfig {
            is_window_fixed: self.fixed_connections,
            rate: self.rate.or(self.tpslimit),
            rate_per_host: self.rate_per_host,
            host_fail_limit: self.host_fail_limit,
            host_fail_wait_ms: self.host_fail_wait.0,
        }
    }

    /// Connections of one host, of which `-x` gave so many. What is fixed cannot be as many as pay.
    pub(crate) fn per_host(&self, given: Option<usize>) -> PerHost {
        let fixed = || self.fixed_connections.then_some(limits::PER_HOST_FIRST);
        given.or_else(fixed).map_or(PerHost::Automatic, PerHost::AtMost)
    }
}

/// `N/s`, `N/m`, `N/h`, `N/d`, or with a number before the unit. As curl's --rate, but without its
/// default unit, which is an hour.
fn rate(text: &str) -> Result<RequestRate, String> {
    let unit = "give the unit: 5/s, 100/m, 1000/h or 1/5s";
    let (count, per) = text.split_once('/').ok_or(unit)?;
    let per = match per {
        "s" | "m" | "h" | "d" => values::duration(&format!("1{per}")),
        _ if per.ends_with(['s', 'm', 'h', 'd']) => values::duration(per),
        _ => return Err(unit.to_owned()),
    };
    match per {
        Ok(Millis(per_ms)) if per_ms > 0 => counted(count, per_ms),
        Ok(_) | Err(_) => Err(unit.to_owned()),
    }
}

fn per_second(text: &str) -> Result<RequestRate, String> {
    counted(text, 1_000)
}

fn counted(count: &str, per_ms: u64) -> Result<RequestRate, String> {
    // Half a request a second is one in two seconds.
    match values::decimal_times(count, 1_000) {
        Some(count @ 1..=RATE_MAX_TIMES_1000) => {
            let (count, per_ms) = match count % 1_000 {
                0 => (count / 1_000, per_ms),
                _ => (count, per_ms * 1_000),
            };
            Ok(RequestRate { count, per_ms })
        }
        Some(0) => Err("must be more than 0; leave the option out for no limit".to_owned()),
        Some(_) => Err("at most a million requests".to_owned()),
        None => Err("not a number".to_owned()),
    }
}

/// A million requests, in thousandths.
const RATE_MAX_TIMES_1000: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_need_their_unit() {
        let is = |count, per_ms| Ok(RequestRate { count, per_ms });
        assert_eq!(rate("50/s"), is(50, 1_000));
        assert_eq!(rate("2/m"), is(2, 60_000));
        assert_eq!(rate("1000/h"), is(1_000, 3_600_000));
        assert_eq!(rate("7/d"), is(7, 86_400_000));
        assert_eq!(rate("1/5s"), is(1, 5_000));
        assert_eq!(rate("3/500ms"), is(3, 500));
        assert_eq!(rate("0.5/s"), is(500, 1_000_000));
        assert_eq!(per_second("10"), is(10, 1_000));
        assert_eq!(per_second("2.5"), is(2_500, 1_000_000));
        for text in ["5", "5/", "5/x", "5/10", "5/0s"] {
            assert!(rate(text).unwrap_err().contains("unit"), "{text}");
        }
        for text in ["/s", "-1/s", "a/s", "0/s", "2000000/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
