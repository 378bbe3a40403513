//! The path of a file that its server proposes (`Content-Disposition`).

/// What servers proposed for the file of one job. Kept over attempts: a name that was claimed for
/// this job is its own.
#[derive(Debug, Default)]
pub(crate) struct FileName {
    last: Option<Proposed>,
    /// Whether the response at hand proposes it.
    is_proposed: bool,
}

#[derive(Debug)]
struct Proposed {
    wanted: String,
    claimed: String,
}

impl FileName {
    /// The path that the response at hand proposes.
    pub(crate) fn proposed(&self) -> Option<&str> {
        self.last.as_ref().filter(|_| self.is_proposed).map(|proposed| &*proposed.claimed)
    }

    /// What was proposed last is about the file that is whole now.
    pub(crate) fn recall(&mut self) {
        self.is_proposed = self.last.is_some();
    }

    /// The response at hand proposes a path. `claim` makes it the job's own, once.
    pub(crate) fn propose(&mut self, wanted: String, claim: impl FnOnce(String) -> String) {
        self.is_proposed = true;
        if self.last.as_ref().is_none_or(|last| last.wanted != wanted) {
            let claimed = claim(wanted.clone());
            self.last = Some(Proposed { wanted, claimed });
        }
    }

    /// There is no response at hand any more.
    pub(crate) fn forget(&mut self) {
        self.is_proposed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_claimed_once_and_used_while_it_is_proposed() {
        let mut claims = 0;
        let mut name = FileName::default();
        assert_eq!(name.proposed(), None);
        for (wanted, claimed) in [("a", "a-1"), ("a", "a-1"), ("b", "b-2"), ("a", "a-3")] {
            name.propose(wanted.to_owned(), |path| {
                claims += 1;
                format!("{path}-{claims}")
            });
            assert_eq!(name.proposed(), Some(claimed));
            name.forget();
            assert_eq!(name.proposed(), None);
        }
    }
}
