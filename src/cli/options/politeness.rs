//! How much is asked of one host, beside the number of connections.

use crate::cli::values::{self, Millis};
use crate::error::RunError;
use crate::limits;
use crate::plan::schedule::{Limits, Rate};
use anyhow::bail;
use clap::Args;

/// How much is asked of one host, beside the number of connections.
#[derive(Debug, Args)]
#[command(next_help_heading = "Concurrency and politeness")]
pub struct PolitenessArgs {
    /// Keep the same number of connections to each host, whatever it answers.
    ///
    /// The number of -x, or 8 without it; and no request rate is found for hosts that refuse.
    /// Retry-After is obeyed all the same. For servers of your own, and for measurements.
    #[arg(long, hide_short_help = true)]
    pub fixed_connections: bool,
    /// Request rate over the whole run, such as 50/s.
    ///
    /// UNIT is s, m, h or d, or such a unit with a number: 1/5s is one request in five seconds.
    /// Requests are evenly spaced; redirects and retries count. Waiting for a turn counts towards
    /// --max-time.
    #[arg(long, value_name = "N/UNIT", value_parser = rate)]
    pub rate: Option<Rate>,
    /// Begin the requests of --rate when they are due, however late earlier ones were.
    ///
    /// For measurements: request N begins N intervals after the first one, in whole milliseconds,
    /// and what was late is caught up with at once, as far as -j and -x permit. The statistics then
    /// have times from when requests were due (time_due), which show what waits for a slow server
    /// cost those behind it, and how late requests began (time_late).
    #[arg(long, hide_short_help = true)]
    pub open_loop: bool,
    /// Request rate at each host, such as 5/s.
    ///
    /// Written as for --rate, and counted in the same way. A rate that a host asks for
    /// (Retry-After), or that is found from its refusals, is kept to as well.
    #[arg(long, value_name = "N/UNIT", value_parser = rate)]
    pub rate_per_host: Option<Rate>,
    /// rclone's word for --rate: a number a second.
    #[arg(long, value_name = "N", hide = true, value_parser = per_second,
          conflicts_with = "rate")]
    pub tpslimit: Option<Rate>,
    /// Failures in a row after which a host is left alone.
    ///
    /// These are failures to connect or to find the name. The host then rests for --host-fail-wait;
    /// if the next URL that tries it fails, too, its other URLs fail at once (connect.host_down)
    /// for 30 times as long. As many refusals without a good answer between, over
    /// --retry-after-max, do the same (http.host_busy). At most 1000000; 0 tries every URL.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(..=1_000_000),
          default_value_t = limits::HOST_FAIL_LIMIT_DEFAULT, hide_short_help = true)]
    pub host_fail_limit: u32,
    /// How long a host that cannot be reached is left alone.
    ///
    /// Then one URL tries it again. If that is in vain, or when the host refuses everything, it is
    /// left alone for 30 times as long.
    #[arg(long, value_name = "TIME", value_parser = values::duration,
          default_value_t = Millis(limits::HOST_FAIL_WAIT_DEFAULT_MS), hide_short_help = true)]
    pub host_fail_wait: Millis,
}

impl PolitenessArgs {
    /// The caps of the run, as far as these options and `-x` (`per_host`) say what they are.
    ///
    /// # Errors
    /// A schedule was asked for, and no rate.
    pub(crate) fn limits(&self, per_host: Option<usize>) -> anyhow::Result<Limits> {
        let defaults = Limits::default();
        // What is fixed cannot be as many as pay.
        let fixed = self.fixed_connections.then_some(limits::PER_HOST_FIRST);
        let per_host = per_host.or(fixed);
        let rate = self.rate.or(self.tpslimit);
        if self.open_loop && rate.is_none() {
            bail!(RunError::usage(
                "cannot use --open-loop without a rate, by which requests are due: add --rate 100/s"
            ));
        }
        Ok(Limits {
            per_host_first: per_host.unwrap_or(defaults.per_host_first),
            per_host_max: per_host.unwrap_or(defaults.per_host_max),
            is_window_fixed: self.fixed_connections,
            host_fail_limit: self.host_fail_limit,
            host_fail_wait_ms: self.host_fail_wait.0,
            rate,
            is_open_loop: self.open_loop,
            rate_per_host: self.rate_per_host,
            ..defaults
        })
    }
}

/// `N/s`, `N/m`, `N/h`, `N/d`, or with a number before the unit. As curl's --rate, but without its
/// default unit, which is an hour.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
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

fn per_second(text: &str) -> Result<Rate, String> {
    counted(text, 1_000)
}

fn counted(count: &str, per_ms: u64) -> Result<Rate, String> {
    // Half a request a second is one in two seconds.
    match values::decimal_times(count, 1_000) {
        Some(count @ 1..=RATE_MAX_TIMES_1000) => {
            let (count, per_ms) = match count % 1_000 {
                0 => (count / 1_000, per_ms),
                _ => (count, per_ms * 1_000),
            };
            Ok(Rate::new(count, per_ms))
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
    use crate::cli::tests::{config, unusable};

    #[test]
    fn a_schedule_needs_a_rate() {
        assert!(!config(&["--rate", "5/s", "u"]).limits.is_open_loop);
        assert!(config(&["--rate", "5/s", "--open-loop", "u"]).limits.is_open_loop);
        assert!(config(&["--tpslimit", "5", "--open-loop", "u"]).limits.is_open_loop);
        assert!(unusable(&["--open-loop", "u"]).contains("--rate 100/s"));
        assert!(unusable(&["--open-loop", "--rate-per-host", "5/s", "u"]).contains("--rate"));
    }

    #[test]
    fn rates_need_their_unit() {
        let is = |count, per_ms| Ok(Rate::new(count, per_ms));
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
