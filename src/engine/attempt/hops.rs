//! Where redirects have led a job.

use crate::http::request::Secrets;
use crate::plan::target::Target;

/// The way of a job from the target that it began with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hops {
    /// Where a redirect led, unless that is where it began.
    target: Option<Target>,
    /// Whether a redirect led to another origin than the first one. What comes after it was chosen
    /// by a foreign server, wherever it leads.
    has_left_home: bool,
    pub(crate) num_redirects: u32,
}

impl Hops {
    /// The target of the next request of a job that began at `first`.
    pub(crate) fn target<'t>(&'t self, first: &'t Target) -> &'t Target {
        self.target.as_ref().unwrap_or(first)
    }

    /// Follows a redirect of a job that began at `first`. Gives whether it leads to another origin
    /// than the one that sent it.
    pub(crate) fn follow(&mut self, first: &Target, to: Target) -> bool {
        let is_elsewhere = !to.same_origin(self.target(first));
        self.num_redirects += 1;
        self.has_left_home |= !to.same_origin(first);
        self.target = Some(to);
        is_elsewhere
    }

    /// Whether the next request of a job that began at `first` may carry secrets: it goes to the
    /// origin of the input line, and no other origin led it there.
    pub(crate) fn secrets(&self, first: &Target) -> Secrets {
        match !self.has_left_home && self.target(first).same_origin(first) {
            true => Secrets::Send,
            false => Secrets::Withhold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_at_home_until_a_foreign_server_had_a_say() {
        let target = |text| Target::parse(text).unwrap();
        let first = target("https://h.example/a");
        let mut hops = Hops::default();
        assert_eq!((hops.target(&first), hops.secrets(&first)), (&first, Secrets::Send));
        for (to, is_elsewhere, secrets) in [
            ("https://h.example/b", false, Secrets::Send),
            ("https://i.example/", true, Secrets::Withhold),
            ("https://i.example/x", false, Secrets::Withhold),
            ("https://h.example/c", true, Secrets::Withhold),
        ] {
            assert_eq!(hops.follow(&first, target(to)), is_elsewhere, "{to}");
            assert_eq!(hops.target(&first).as_str(), to);
            assert_eq!(hops.secrets(&first), secrets, "{to}");
        }
        assert_eq!(hops.num_redirects, 4);
    }
}
