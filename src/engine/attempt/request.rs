//! What is asked of a server.

use crate::fault::{Fault, InputProblem};
use crate::http::request::{Conditions, Secrets};
use crate::plan::proxy::Route;
use crate::plan::requests::{Requests, Wanted};
use crate::plan::target::Target;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// One request, of whomever it is.
#[derive(Clone, Copy)]
pub(crate) struct Request<'r> {
    pub(crate) target: &'r Target,
    /// The target whose user information, host and netrc entry give the credentials.
    pub(crate) login: &'r Target,
    /// Fields of the job.
    pub(crate) fields: &'r [(String, String)],
    /// Whether credentials and fields for the origin of the input line go with it.
    pub(crate) secrets: Secrets,
    /// What is asked for, where it is not all of the target.
    pub(crate) conditions: Conditions<'r>,
    /// Redirects that led here.
    pub(crate) num_redirects: u32,
    /// An address that is tried last, for the attempt before failed there.
    pub(crate) failed_ip: Option<IpAddr>,
    /// When its job is over in any case, in milliseconds of the run.
    pub(crate) job_at_ms: u64,
    /// Tells that nobody wants the answer any more.
    pub(crate) cut: Option<&'r Arc<AtomicBool>>,
    /// Is told of the first byte of the answer, once.
    pub(crate) first_byte: Option<&'r dyn Fn()>,
}

impl Request<'_> {
    /// Writes the bytes of the request into `bytes`, for whoever reads it first on this route.
    pub(crate) fn encode(
        &self,
        requests: &Requests,
        route: Route<'_>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let Self { target, login, fields, secrets, conditions, .. } = *self;
        let wanted = Wanted { target, login, fields, secrets, route, conditions };
        let encoded = requests.encode(&wanted, bytes);
        encoded.map_err(|problem| Fault::input(InputProblem::Url, problem))
    }
}
