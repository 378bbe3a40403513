//! Where redirects have led a job, and from which of its sources.

use crate::http::request::Secrets;
use crate::plan::target::Target;

/// The way of a job from the target that it began with, or from the mirror that it goes on at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hops {
    /// Where a redirect led, unless that is where it began.
    target: Option<Target>,
    /// The mirror where it began anew, if any.
    mirror: Option<Target>,
    /// Mirrors that it began anew at.
    mirrors: usize,
    /// Redirects that were followed from the sources before.
    redirects_before: u32,
    /// Whether a redirect led to another origin than the first one. What comes after it was chosen
    /// by a foreign server, wherever it leads.
    has_left_home: bool,
    pub(crate) num_redirects: u32,
}

impl Hops {
    /// The target of the next request of a job that began at `first`.
    pub(crate) fn target<'t>(&'t self, first: &'t Target) -> &'t Target {
        self.target.as_ref().unwrap_or_else(|| self.home(first))
    }

    /// The URL of the input line that the job began at, or began anew at.
    pub(crate) fn home<'t>(&'t self, first: &'t Target) -> &'t Target {
        self.mirror.as_ref().unwrap_or(first)
    }

    /// The way of a task that begins at one of the sources of a job, with these mirrors: the first
    /// mirror is source 1.
    pub(crate) fn at(source: usize, mirrors: &[Target]) -> Self {
        let mirror = source.checked_sub(1).and_then(|mirror| mirrors.get(mirror)).cloned();
        Self { mirrors: source, mirror, ..Self::default() }
    }

    /// Number of the source where it began, or began anew: 0 is the URL of the job.
    pub(crate) fn source(&self) -> usize {
        self.mirrors
    }

    /// Begins anew at the next of these mirrors, if there is one: whatever led away from the source
    /// before is forgotten.
    pub(crate) fn go_to_next(&mut self, mirrors: &[Target]) -> bool {
        let Some(mirror) = mirrors.get(self.mirrors) else { return false };
        *self = Self {
            mirror: Some(mirror.clone()),
            mirrors: self.mirrors + 1,
            redirects_before: self.num_redirects_total(),
            ..Self::default()
        };
        true
    }

    /// Redirects that were followed from all sources.
    pub(crate) fn num_redirects_total(&self) -> u32 {
        self.redirects_before + self.num_redirects
    }

    /// Follows a redirect of a job that began at `first`. Gives whether it leads to another origin
    /// than the one that sent it.
    pub(crate) fn follow(&mut self, first: &Target, to: Target) -> bool {
        let is_elsewhere = !to.same_origin(self.target(first));
        self.num_redirects += 1;
        self.has_left_home |= !to.same_origin(self.home(first));
        self.target = Some(to);
        is_elsewhere
    }

    /// Whether the next request of a job that began at `first` may carry secrets: it goes to the
    /// origin of the input line, and no other origin led it there.
    pub(crate) fn secrets(&self, first: &Target) -> Secrets {
        match !self.has_left_home && self.target(first).same_origin(self.home(first)) {
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

    #[test]
    fn a_mirror_is_a_home_of_its_own() {
        let target = |text| Target::parse(text).unwrap();
        let first = target("https://h.example/a");
        let mirrors = [target("http://m.example/b"), target("http://n.example/c")];
        let mut hops = Hops::default();
        hops.follow(&first, target("https://i.example/"));
        assert!(hops.go_to_next(&mirrors));
        assert_eq!((hops.target(&first), hops.home(&first)), (&mirrors[0], &mirrors[0]));
        assert_eq!((hops.secrets(&first), hops.num_redirects), (Secrets::Send, 0));
        hops.follow(&first, target("http://m.example/c"));
        assert_eq!(hops.secrets(&first), Secrets::Send);
        hops.follow(&first, first.clone());
        assert_eq!(hops.secrets(&first), Secrets::Withhold);
        assert!(hops.go_to_next(&mirrors) && !hops.go_to_next(&mirrors));
        assert_eq!((hops.target(&first), hops.num_redirects_total()), (&mirrors[1], 3));
        for (source, target) in [(0, &first), (1, &mirrors[0]), (2, &mirrors[1])] {
            let hops = Hops::at(source, &mirrors);
            assert_eq!((hops.target(&first), hops.source()), (target, source));
        }
    }
}
