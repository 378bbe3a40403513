//! What a run may cost: what was typed to what the run needs.

use crate::cli::args::BudgetArgs;
use crate::config::{BudgetConfig, ErrorsMax};

/// The budget of the run.
pub(super) fn resolve(args: &BudgetArgs) -> BudgetConfig {
    let fail_early = args.fail_early.then_some(ErrorsMax::Count(1));
    BudgetConfig {
        errors_max: args.max_errors.or(fail_early),
        duration_max_ms: args.max_duration.map(|time| time.0),
        bytes_max: args.quota.map(|bytes| bytes.0).filter(|bytes| *bytes > 0),
        ok_percent_min: args.ok_if,
    }
}
