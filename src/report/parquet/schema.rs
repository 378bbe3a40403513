//! The columns of a report as a schema of Parquet.

use super::invalid::invalid;
use crate::report::row::NAMES;
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{SchemaDescriptor, Type};
use std::io;
use std::sync::Arc;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Text in UTF-8.
    Text,
    /// A number of 32 bits.
    Int32,
    /// A number of 64 bits.
    Int64,
    /// Seconds.
    Seconds,
    /// A point in time, in microseconds of UTC.
    Instant,
    /// True or false.
    Truth,
}

impl Kind {
    /// The kind of a column of this name; one of the list is text.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "response_code" | "exitcode" | "num_retries" | "num_redirects" | "num_connects"
            | "num_parts" => Self::Int32,
            "index" | "size_download" | "size_file" | "size_resumed" | "duplicate_of" => {
                Self::Int64
            }
            "time_queue" | "time_namelookup" | "time_connect" | "time_appconnect"
            | "time_starttransfer" | "time_total" => Self::Seconds,
            "attempted_at" => Self::Instant,
            "tls_resumed" => Self::Truth,
            _ => Self::Text,
        }
    }

    fn physical(self) -> Physical {
        match self {
            Self::Text => Physical::BYTE_ARRAY,
            Self::Int32 => Physical::INT32,
            Self::Int64 | Self::Instant => Physical::INT64,
            Self::Seconds => Physical::DOUBLE,
            Self::Truth => Physical::BOOLEAN,
        }
    }

    fn logical(self) -> Option<LogicalType> {
        match self {
            Self::Text => Some(LogicalType::String),
            Self::Instant => Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
            Self::Int32 | Self::Int64 | Self::Seconds | Self::Truth => None,
        }
    }
}

/// Whether every row has a value in a column of our own.
pub(super) fn is_required(name: &str) -> bool {
    REQUIRED.contains(&name)
}

/// The schema of a report with these columns of the list behind its own.
pub(super) fn schema(kept: &[String]) -> io::Result<Type> {
    let column = |name: &str, kind: Kind, is_required: bool| {
        let repetition = if is_required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        Type::primitive_type_builder(name, kind.physical())
            .with_logical_type(kind.logical())
            .with_repetition(repetition)
            .build()
            .map(Arc::new)
    };
    let own = NAMES.iter().map(|name| column(name, Kind::of(name), is_required(name)));
    let kept = kept.iter().map(|name| column(name, Kind::Text, false));
    let fields = own.chain(kept).collect::<Result<_, _>>().map_err(invalid)?;
    Type::group_type_builder("ringpull").with_fields(fields).build().map_err(invalid)
}

/// The columns of a report that was read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// How many columns are our own: an older version had fewer.
    pub(super) own: usize,
    /// Names of the columns of the list, which follow.
    pub kept: Vec<String>,
}

impl Found {
    /// The columns of a file with this schema; `None` where that is not a report.
    pub fn of(schema: &SchemaDescriptor) -> Option<Self> {
        let columns = schema.columns();
        let is_flat = columns.iter().all(|column| {
            column.max_rep_level() == 0
                && column.max_def_level() <= 1
                && column.path().parts().len() == 1
        });
        let names = columns.iter().map(|column| column.name());
        let own = names.clone().zip(NAMES).take_while(|(name, own)| name == own).count();
        let kept: Vec<String> = names.skip(own).map(str::to_owned).collect();
        let is_kind = |(at, physical): (usize, Physical)| match NAMES.get(at) {
            Some(name) if at < own => Kind::of(name).physical() == physical,
            Some(_) | None => physical == Physical::BYTE_ARRAY,
        };
        let mut kinds = columns.iter().map(|column| column.physical_type()).enumerate();
        let is_ours = own >= REQUIRED_AT
            && is_flat
            && kinds.all(is_kind)
            && !kept.iter().any(|name| NAMES.contains(&name.as_str()));
        is_ours.then_some(Self { own, kept })
    }

    /// How many columns there are.
    pub fn count(&self) -> usize {
        self.own + self.kept.len()
    }
}

/// Columns that have a value in every row.
const REQUIRED: [&str; 3] = ["url", "index", "status"];
/// How many of the first columns every report has, those among them.
const REQUIRED_AT: usize = 4;
