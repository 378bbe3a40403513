//! The texts of `ringpull help TOPIC`: what is too long for an option and too much for the README.
//!
//! Each topic is a Markdown file beside this one. What the code knows is not repeated there: a line
//! such as `{{exit}}` stands for a table that `filled` takes from the code.

mod codes;
mod filled;
mod layout;
mod limits;
mod markdown;
mod peers;

use super::nearest;

pub use layout::Style;
pub(super) use markdown::{Face, spans};

/// One topic of the help.
#[derive(Debug)]
pub struct Topic {
    /// What is typed behind `ringpull help`.
    pub name: &'static str,
    /// What the topic is about, in a line.
    pub about: &'static str,
    text: &'static str,
}

const fn topic(name: &'static str, about: &'static str, text: &'static str) -> Topic {
    Topic { name, about, text }
}

/// Every topic, in the order in which they are listed.
pub const TOPICS: [Topic; 25] = [
    topic(
        "lists",
        "what a list may be, and what one line of it can say",
        include_str!("topics/lists.md"),
    ),
    topic(
        "hosts",
        "how much each host is asked: connections, rates, refusals, retries",
        include_str!("topics/hosts.md"),
    ),
    topic("network", "names and addresses, proxies, TLS", include_str!("topics/network.md")),
    topic(
        "output",
        "names of files, files that exist, full disks, checksums",
        include_str!("topics/output.md"),
    ),
    topic(
        "shards",
        "tar archives in place of files: WebDataset, and one stream",
        include_str!("topics/shards.md"),
    ),
    topic(
        "datasets",
        "from a list of URLs and captions to a training set",
        include_str!("topics/datasets.md"),
    ),
    topic("report", "rows and columns of --report", include_str!("topics/report.md")),
    topic(
        "resume",
        "going on after a stop, a crash or a power cut; --verify",
        include_str!("topics/resume.md"),
    ),
    topic(
        "large",
        "large files: continuing, several connections, how they are written",
        include_str!("topics/large.md"),
    ),
    topic(
        "config",
        "options from a config file and from environment variables",
        include_str!("topics/config.md"),
    ),
    topic("exit", "exit statuses, and the code of every failure", include_str!("topics/exit.md")),
    topic("watch", "progress, signals, metrics, --write-out", include_str!("topics/watch.md")),
    topic(
        "trust",
        "limits, and rules for servers that you cannot trust",
        include_str!("topics/trust.md"),
    ),
    topic("kernel", "io_uring, CPUs, memory, descriptors", include_str!("topics/kernel.md")),
    topic(
        "many-machines",
        "one list on several machines: Slurm, Kubernetes, Spark",
        include_str!("topics/many-machines.md"),
    ),
    topic(
        "python",
        "pip install, and a generator of rows for Python and asyncio",
        include_str!("topics/python.md"),
    ),
    topic(
        "containers",
        "images, io_uring and seccomp, limits",
        include_str!("topics/containers.md"),
    ),
    topic(
        "origin",
        "the server for demonstrations and tests: paths, files, faults",
        include_str!("topics/origin.md"),
    ),
    topic(
        "bench",
        "comparing kernel paths, file systems and options by measuring",
        include_str!("topics/bench.md"),
    ),
    topic(
        "troubleshooting",
        "what to do when something is in the way",
        include_str!("topics/troubleshooting.md"),
    ),
    topic(
        "coming-from-curl",
        "curl's flags, and what stands for them here",
        include_str!("topics/coming-from-curl.md"),
    ),
    topic(
        "coming-from-wget",
        "the flags of wget and wget2",
        include_str!("topics/coming-from-wget.md"),
    ),
    topic("coming-from-aria2", "aria2's flags", include_str!("topics/coming-from-aria2.md")),
    topic("coming-from-axel", "axel's flags", include_str!("topics/coming-from-axel.md")),
    topic(
        "coming-from-img2dataset",
        "img2dataset's arguments",
        include_str!("topics/coming-from-img2dataset.md"),
    ),
];

/// The topic of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// What to print about a name that no topic has: the nearest one, and all that there are.
#[must_use]
pub fn unknown(name: &str) -> String {
    let hint = nearest(name).map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
    let names: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
    let names = [markdown::Block::Paragraph(names.join(", "))];
    let names = layout::render(&names, UNKNOWN_WIDTH, Style::Plain);
    format!("there is no help topic '{name}'{hint}\nTopics:\n{}", names.trim_end())
}

/// The list of all topics, as `ringpull help` without a name prints it.
#[must_use]
pub fn list(width: usize, style: Style) -> String {
    let mut text =
        "# Help topics\n\n`ringpull help TOPIC` explains one of these, `ringpull --help` \
                    every option.\n\n| Topic | About |\n|---|---|\n"
            .to_owned();
    for topic in &TOPICS {
        text += &format!("| `{}` | {} |\n", topic.name, topic.about);
    }
    layout::render(&markdown::parse(&text), width, style)
}

impl Topic {
    /// The whole text as Markdown, with the tables that come from the code.
    #[must_use]
    pub fn markdown(&self) -> String {
        filled::fill(self.text)
    }

    /// The text for a terminal of this many columns, or for a file.
    #[must_use]
    pub fn render(&self, width: usize, style: Style) -> String {
        layout::render(&markdown::parse(&self.markdown()), width, style)
    }
}

/// The name that was meant, if one is close enough: one that begins or ends so, or the one with the
/// fewest letters to change.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let names = || TOPICS.iter().map(|topic| topic.name);
    let is_part = |own: &&str| own.starts_with(&name) || own.ends_with(&name);
    if let Some(own) = names().find(is_part).filter(|_| name.len() > 1) {
        return Some(own);
    }
    nearest::nearest(&name, names())
}

/// Width of the list of topics in a message, which does not ask how wide the terminal is.
const UNKNOWN_WIDTH: usize = 80;

#[cfg(test)]
mod tests;
