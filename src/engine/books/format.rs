//! The format of rows.

use crate::config::ReportFormat;
use crate::report::RowFormat;

/// The format of rows as the configuration names it.
pub(crate) fn format(format: ReportFormat) -> RowFormat {
    match format {
        ReportFormat::Csv => RowFormat::Csv,
        ReportFormat::JsonLines => RowFormat::JsonLines,
    }
}
