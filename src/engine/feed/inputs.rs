//! Where entries come from: the inputs of a run, one behind the other; files also for a second
//! reader, who goes ahead of the first one.

mod arguments;
mod item;
mod parquet;
mod reader;
mod source;
mod stream;

pub(crate) use self::item::Item;

use self::reader::{InputReader, Second};
use self::source::Source;
use crate::config::Input;
use crate::plan::input;
use crate::plan::job::LeftOut;
use std::collections::BTreeSet;
use std::path::Path;

/// All inputs as one sequence of entries. It is the caller's loop that reads: no thread, no more
/// memory than one buffer.
pub(crate) struct Lists {
    sources: Vec<Source>,
    /// How many of them were begun.
    begun: usize,
    current: Option<InputReader>,
    config: input::Options,
    /// Lines of the inputs that were read to their end.
    lines_before: u64,
    /// What users want to know of the inputs that were read to their end.
    notes: Notes,
}

/// What there is to say of inputs beside their entries.
#[derive(Clone, Debug, Default)]
struct Notes {
    /// Inputs without an entry.
    empty: Vec<String>,
    /// Options of aria2 that were passed over.
    passed_over: BTreeSet<&'static str>,
    left_out: LeftOut,
}

impl Lists {
    /// Looks at all inputs, so that a missing one is known before the run begins. Pipes in the file
    /// system are opened when their turn comes, because that waits for their writers.
    ///
    /// # Errors
    /// An input cannot be read.
    pub(crate) fn open(
        inputs: &[Input],
        config: &input::Options,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        // A path that is no text has nothing beneath it that a list can name.
        let dir = std::path::absolute(dir).ok().and_then(|dir| dir.to_str().map(str::to_owned));
        let mut config = config.clone();
        config.text.dir = dir.unwrap_or_default();
        let look = |input| Source::look(input, &config);
        let sources = inputs.iter().map(look).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            sources,
            begun: 0,
            current: None,
            config,
            lines_before: 0,
            notes: Notes::default(),
        })
    }

    /// The run goes on with the report of this token. Says whether what is to be read are lines of
    /// it that are pulled again, by a list of [`again`](crate::plan::job::again).
    pub(crate) fn continue_report(&mut self, token: u64) -> bool {
        self.config.text.is_of_report = matches!(
            self.sources.as_slice(),
            [Source::File { report: Some(report), .. }] if *report == token
        );
        self.config.text.is_of_report
    }

    /// Opens the inputs for a second reader, from where this one stands; a packed file from its
    /// start. `None` where one of them is a pipe or standard input, which give their entries once,
    /// or where another file has taken the place of the one that is being read.
    pub(crate) fn onward(&self) -> Option<Self> {
        let sources = self.sources.iter().map(Source::again).collect::<Option<_>>()?;
        let mut onward = Self {
            sources,
            begun: self.begun,
            current: None,
            config: self.config.clone(),
            lines_before: self.lines_before,
            notes: Notes::default(),
        };
        if let Some(current) = &self.current {
            match current.second(&onward.sources[self.begun - 1])? {
                Second::Here(current) => onward.current = Some(current),
                Second::FromStart => onward.begun -= 1,
            }
        }
        Some(onward)
    }

    /// The next entry, in the order of the inputs and their lines; nothing at their end.
    ///
    /// # Errors
    /// An input cannot be read to its end. All entries before that were given, and there is nothing
    /// behind it: its line numbers would change as soon as the input is mended.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Item>> {
        loop {
            let Some(current) = &mut self.current else {
                if self.begun == self.sources.len() {
                    return Ok(None);
                }
                let source = &self.sources[self.begun];
                self.begun += 1;
                self.current = Some(source.begin(&self.config, self.lines_before)?);
                continue;
            };
            match current.next() {
                Some(Ok(item)) => return Ok(Some(item)),
                Some(Err(error)) => {
                    self.end_current();
                    self.begun = self.sources.len();
                    return Err(error);
                }
                None => self.end_current(),
            }
        }
    }

    fn end_current(&mut self) {
        let Some(current) = self.current.take() else { return };
        self.lines_before = current.lines_total();
        match current {
            InputReader::Arguments(_) | InputReader::Given { .. } => {}
            InputReader::Bytes(stream) => {
                self.notes.passed_over.extend(stream.passed_over());
                self.notes.left_out += stream.left_out();
                self.notes.empty.extend(stream.into_empty_name());
            }
            InputReader::Rows(rows) => self.notes.empty.extend(rows.into_empty_name()),
        }
    }

    /// Sentences about the inputs that were read to their end.
    pub(crate) fn notes(&self) -> Vec<String> {
        let Notes { empty, passed_over, left_out } = &self.notes;
        let mut notes: Vec<String> =
            empty.iter().map(|name| format!("warning: there is no URL in {name}")).collect();
        if !passed_over.is_empty() {
            let names = passed_over.iter().copied().collect::<Vec<_>>().join(", ");
            notes.push(format!("note: options of aria2 without effect on files: {names}"));
        }
        let phrases = left_out.phrases();
        if !phrases.is_empty() {
            notes.push(format!("note: not used: {}", phrases.join(", ")));
        }
        notes
    }

    /// Whether what is read now comes to its end without anybody's help: a file, or arguments.
    pub(crate) fn is_steady(&self) -> bool {
        self.current.as_ref().is_none_or(InputReader::is_steady)
    }

    /// Lines of the inputs that were read to their end.
    pub(crate) fn lines_total(&self) -> u64 {
        self.lines_before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write as _;

    fn indices(lists: &mut Lists, count: usize) -> Vec<u64> {
        let next = || match lists.next().unwrap()? {
            Item::Entry(entry) => Some(entry.map_or_else(|line| line.index, |job| job.index)),
            Item::Pause => panic!("a file has no pauses"),
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn a_second_reader_begins_where_the_first_one_stands() {
        let dir = tempfile::tempdir().unwrap();
        let text: String = (1..=4).map(|n| format!("http://a/{n}\n  out={n}\n")).collect();
        let (plain, packed) = (dir.path().join("a.txt"), dir.path().join("b.txt.gz"));
        std::fs::write(&plain, &text).unwrap();
        let file = File::create(&packed).unwrap();
        let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
        let urls = Input::Urls(vec!["http://u/1".to_owned(), "http://u/2".to_owned()]);
        let inputs = [urls, Input::File(plain), Input::File(packed)];
        let open = || Lists::open(&inputs, &input::Options::default(), Path::new("")).unwrap();
        let all = indices(&mut open(), usize::MAX);
        assert_eq!(all, [1, 2, 3, 5, 7, 9, 11, 13, 15, 17]);
        for read in 0..=all.len() {
            let mut lists = open();
            indices(&mut lists, read);
            let ahead = indices(&mut lists.onward().unwrap(), usize::MAX);
            // A packed file is read anew.
            let from = read.min(6);
            assert_eq!(ahead, all[from..], "{read}");
            assert_eq!(
                indices(&mut lists, usize::MAX),
                all[read..],
                "the first one is in its place"
            );
        }
    }

    #[test]
    fn a_list_that_was_replaced_has_no_second_reader() {
        let dir = tempfile::tempdir().unwrap();
        let (list, other) = (dir.path().join("a.txt"), dir.path().join("b.txt"));
        std::fs::write(&list, "http://a/1\nhttp://a/2\n").unwrap();
        std::fs::write(&other, "# a comment\nhttp://a/3\n").unwrap();
        let mut lists =
            Lists::open(&[Input::File(list.clone())], &input::Options::default(), Path::new(""))
                .unwrap();
        assert_eq!(indices(&mut lists, 1), [1]);
        std::fs::rename(&other, &list).unwrap();
        assert!(lists.onward().is_none());
        assert_eq!(indices(&mut lists, 2), [2], "what was opened is read on");
    }

    #[test]
    fn a_pipe_is_read_once() {
        let lists =
            Lists::open(&[Input::Stdin], &input::Options::default(), Path::new("")).unwrap();
        assert!(lists.onward().is_none());
    }
}
