//! What a request says beside its target: credentials, codings and fields of its own.

use super::Core;
use crate::config::RequestConfig;
use crate::engine::attempt::task::Task;
use crate::http::request::{Codings, Parts, Template, basic};
use std::borrow::Cow;

impl Core {
    /// The value of `Authorization`: what the URL says, else `-u`, else what netrc says of the host
    /// of the input line. A URL with a user only takes the password of that login from netrc.
    pub(crate) fn authorization(&self, task: &Task) -> Option<Cow<'_, str>> {
        let target = &task.job.target;
        let netrc = self.shared.config.request.netrc.as_ref();
        let known = |login| netrc?.find(target.host(), login);
        let (login, password) = match (target.credentials(), &self.authorization) {
            (Some((login, Some(password))), _) => (login, password),
            (Some((login, None)), _) => {
                (login, known(Some(login)).map_or("", |(_, password)| password))
            }
            (None, Some(given)) => return Some(given.into()),
            (None, None) => known(None)?,
        };
        Some(basic(&format!("{login}:{password}")).into())
    }

    /// The header fields of a task that has some of its own.
    pub(crate) fn template_of(&self, task: &Task) -> Option<Template> {
        let own = task.job.options.as_ref().map(|options| options.headers.as_slice())?;
        if own.is_empty() {
            return None;
        }
        let request = &self.shared.config.request;
        let is_replaced =
            |name: &str| own.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let mut fields: Vec<(String, String)> = request.headers.clone();
        fields.retain(|(name, _)| !is_replaced(name));
        fields.extend_from_slice(own);
        let parts = Parts {
            user_agent: &request.user_agent,
            referer: request.referer.as_deref(),
            codings: codings(request),
            fields: &fields,
        };
        Some(Template::new(&parts).expect("fields are checked where they are read"))
    }
}

/// The codings that a server may use.
pub(crate) fn codings(request: &RequestConfig) -> Codings {
    if request.compressed { Codings::Gzip } else { Codings::Identity }
}
