//! What a shard came to, in the keys of the statistics that img2dataset writes beside its shards,
//! so that what sums those up reads ours.

use serde::Serialize;
use std::collections::BTreeMap;

/// Counts of one shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardStats {
    /// Files in it.
    pub successes: u64,
    /// Failures on the core that filled it while it was open, by their code.
    pub failures: BTreeMap<&'static str, u64>,
    /// When it was begun and when it was whole, in seconds since 1970 began.
    pub time_s: (f64, f64),
}

#[derive(Serialize)]
struct Told<'s> {
    count: u64,
    successes: u64,
    failed_to_download: u64,
    failed_to_resize: u64,
    duration: f64,
    start_time: f64,
    end_time: f64,
    status_dict: BTreeMap<&'s str, u64>,
}

impl ShardStats {
    /// The statistics as a file has them. `status_dict` has the files as `success`, and failures by
    /// their `error_code`.
    pub fn text(&self) -> String {
        let failed = self.failures.values().sum();
        let mut status_dict: BTreeMap<&str, u64> =
            self.failures.iter().map(|(code, count)| (*code, *count)).collect();
        if self.successes > 0 {
            status_dict.insert("success", self.successes);
        }
        let (start_time, end_time) = self.time_s;
        let told = Told {
            count: self.successes + failed,
            successes: self.successes,
            failed_to_download: failed,
            failed_to_resize: 0,
            duration: end_time - start_time,
            start_time,
            end_time,
            status_dict,
        };
        let mut text = serde_json::to_string_pretty(&told).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_img2dataset() {
        let failures = BTreeMap::from([("http.status", 2)]);
        let stats = ShardStats { successes: 3, failures, time_s: (10.0, 12.5) };
        let told: serde_json::Value = serde_json::from_str(&stats.text()).unwrap();
        let wanted = serde_json::json!({
            "count": 5, "successes": 3, "failed_to_download": 2, "failed_to_resize": 0,
            "duration": 2.5, "start_time": 10.0, "end_time": 12.5,
            "status_dict": {"http.status": 2, "success": 3},
        });
        assert_eq!(told, wanted);
    }
}
