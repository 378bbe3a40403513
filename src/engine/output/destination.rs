//! Where the bodies of one run go.

use crate::config::{Config, Destination, OnConflict};
use crate::engine::output::archive::Archiving;
use crate::engine::output::bodies::Bodies;
use crate::engine::output::dir_rules::DirRules;
use crate::engine::output::names::GivenNames;
use crate::engine::output::partial::Sharing;
use crate::engine::output::stored_once::StoredOnce;
use crate::engine::output::unfinished::Unfinished;
use crate::plan::checksum::{Checksum, Kind};
use crate::plan::name::Dirs;
use crate::plan::partial::Continue;
use crate::report::journal::Lost;
use crate::report::location;
use crate::ring::file::Fsync;
use crate::ring::journal::boot_id;
use crate::ring::stream::Stream;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

/// Where the bodies of one run go, for all of its threads.
pub(crate) struct Output {
    pub(super) destination: Destination,
    /// The directory as rows show it: with a `/` at its end, or empty.
    pub(super) dir_shown: String,
    pub(super) on_conflict: OnConflict,
    pub(super) fsync: Fsync,
    /// Whether servers may name files.
    pub(super) takes_proposals: bool,
    pub(super) dirs: Option<Dirs>,
    pub(super) compute_hash: Option<Kind>,
    pub(super) checksum: Option<Checksum>,
    /// `--timestamping`: files that are there are asked for if they have changed.
    pub(super) is_timestamping: bool,
    /// `--remote-time`: files tell of the version that they are.
    pub(super) has_remote_time: bool,
    pub(crate) body_bytes_max: Option<u64>,
    /// Whether what is unfinished is gone on with.
    pub(super) continuing: Continue,
    /// How many may fill a long body.
    pub(super) sharing: Sharing,
    /// Where something may be that earlier runs left.
    pub(super) unfinished: Unfinished,
    /// Long bodies that are not whole.
    pub(crate) bodies: Bodies,
    /// This boot of the machine.
    pub(super) boot_id: [u8; 16],
    /// The names of its files.
    pub(crate) names: GivenNames,
    /// Bodies that are stored, where each is to be stored once.
    pub(crate) stored_once: Option<StoredOnce>,
    /// Lines whose rows are not believed.
    lost: Lost,
    /// Where the one body goes, once that is open, if it goes to no file.
    pub(super) stream: OnceLock<Stream>,
    /// Whether anything went there.
    pub(super) has_streamed: AtomicBool,
    /// What bodies are packed into, where they are.
    pub(crate) archive: Option<Archiving>,
}

impl Output {
    /// Makes the output of a run in which nothing was named so far. The rows of the lines in `lost`
    /// are not believed.
    pub(crate) fn new(config: &Config, rules: DirRules, lost: Lost) -> Self {
        let dir = config.dir.to_string_lossy();
        let dir_shown = match &*dir {
            "" | "." => String::new(),
            dir if dir.ends_with('/') => dir.to_owned(),
            dir => format!("{dir}/"),
        };
        let archive = Archiving::of(config, &lost);
        Self {
            destination: config.destination.clone(),
            dir_shown,
            on_conflict: config.on_conflict,
            fsync: config.fsync,
            // What the user said about names goes before.
            takes_proposals: config.content_disposition
                && config.name_template.is_none()
                && config.destination == Destination::Files,
            dirs: config.dirs.clone(),
            // What tells bodies apart is for the row, too, unless that has another one.
            compute_hash: config
                .compute_hash
                .or_else(|| config.dedupe.contents.then_some(Kind::Blake3)),
            checksum: config.checksum,
            body_bytes_max: config.body_bytes_max,
            is_timestamping: config.timestamping,
            has_remote_time: config.remote_time,
            continuing: config.continuing,
            sharing: Sharing {
                splitting: config.splitting,
                connections_max: config.limits.per_host_max,
            },
            unfinished: Unfinished::default(),
            bodies: Bodies::default(),
            boot_id: boot_id(),
            names: GivenNames::new(rules),
            stored_once: None,
            lost,
            stream: OnceLock::new(),
            has_streamed: AtomicBool::new(false),
            archive,
        }
    }

    /// This output, which stores each body once, and knows which ones are stored.
    pub(crate) fn storing_once(self, stored_once: Option<StoredOnce>) -> Self {
        Self { stored_once, ..self }
    }

    /// Whether files are made.
    pub(crate) fn has_files(&self) -> bool {
        self.destination.has_files()
    }

    /// Whether anything is written beneath the directory of the run.
    pub(crate) fn has_dir(&self) -> bool {
        self.destination.has_dir()
    }

    /// The directory of the run as rows show it: with a `/` at its end, or empty.
    pub(crate) fn dir_shown(&self) -> &str {
        &self.dir_shown
    }

    /// Whether the file of input line `index` is pulled again because that of an earlier run is not
    /// believed.
    pub(super) fn has_lost(&self, index: u64) -> bool {
        self.lost.has(index)
    }

    /// Whether the file of this path was pulled for input line `index`, by a row that is not
    /// believed: it is replaced, whatever is done about files of others.
    pub(super) fn had(&self, index: u64, path: &str) -> bool {
        self.lost.had(index, &location::of_file(&self.dir_shown, path))
    }
}
