//! Which lines of the inputs are pulled, where the environment has a say too.

use crate::error::RunError;
use crate::plan::shard::Shard;
use anyhow::bail;
use clap::Args;

/// Which lines of the inputs are pulled.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub struct LinesArgs {
    /// Read the lists, say what is in them, and pull nothing.
    ///
    /// Tells how many URLs, hosts and bad lines there are, which hosts have the most URLs, and how
    /// fast the lists are read and scheduled. No server is asked.
    #[arg(long)]
    pub dry_run: bool,
    /// Pull share I of N, by host; I counts from 0.
    ///
    /// For N machines with one list. The host's name decides, always in the same way, so that each
    /// host is asked by one machine only. Line numbers and file names are those of the whole list:
    /// reports can be joined with cat. [default: the task of a Slurm array or of a Kubernetes
    /// Indexed Job, else 0/1, which is all]
    ///
    /// Example: --shard 0/4 on the first of four machines. See `ringpull help many-machines`.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
}

impl LinesArgs {
    /// Which shard of the list is pulled, where it is not all of it; and a note for the user where
    /// the environment says so. `variables` are those of [`VARIABLES`] that are set.
    ///
    /// # Errors
    /// The environment does not say clearly which shard this is.
    pub(crate) fn shard(
        &self,
        variables: &[(&'static str, String)],
    ) -> anyhow::Result<(Option<Shard>, Option<String>)> {
        if let Some(shard) = self.shard {
            return Ok((Some(shard).filter(|shard| shard.count() > 1), None));
        }
        let told = of_environment(variables)?.filter(|told| told.count > 1);
        let Some(Told { index, count, variable }) = told else { return Ok((None, None)) };
        let note = format!(
            "{variable} is set: this is shard {index}/{count}, lines of other hosts are for other \
             tasks; --shard 0/1 pulls all lines"
        );
        Ok((Some(Shard::new(index, count)), Some(note)))
    }
}

/// A shard as an environment variable names it.
struct Told {
    index: u32,
    count: u32,
    variable: &'static str,
}

fn shard(text: &str) -> Result<Shard, String> {
    let wanted = "write I/N, for instance 0/4 for the first of four";
    let (index, count) = text.split_once('/').ok_or(wanted)?;
    let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u32>().map_err(|_| wanted),
        false => Err(wanted),
    };
    let (index, count) = (number(index)?, number(count)?);
    if index >= count {
        return Err(format!("shards are numbered from 0 to N-1; {wanted}"));
    }
    Ok(Shard::new(index, count))
}

fn of_environment(variables: &[(&'static str, String)]) -> anyhow::Result<Option<Told>> {
    let value = |name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value);
    let number = |name: &'static str| match value(name).map(|text| text.trim().parse::<u32>()) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => bail!(unclear(&format!("{name} is not a number"))),
    };
    let slurm = match (number(SLURM_ID)?, number(SLURM_COUNT)?) {
        (None, None) => None,
        (Some(id), Some(count)) => {
            let (min, step) = (number(SLURM_MIN)?.unwrap_or(0), number(SLURM_STEP)?.unwrap_or(1));
            let past = id.checked_sub(min).filter(|past| step > 0 && past.is_multiple_of(step));
            let Some(past) = past else {
                bail!(unclear(&format!("{SLURM_ID}={id} is not in steps of {step} from {min}")))
            };
            Some(Told { index: past / step, count, variable: SLURM_ID })
        }
        (Some(_), None) => bail!(unclear(&format!("{SLURM_ID} is set and {SLURM_COUNT} is not"))),
        (None, Some(_)) => bail!(unclear(&format!("{SLURM_COUNT} is set and {SLURM_ID} is not"))),
    };
    let job = match (number(JOB_INDEX)?, number(JOB_COUNT)?) {
        (None, None) => None,
        (Some(index), Some(count)) => Some(Told { index, count, variable: JOB_INDEX }),
        (Some(_), None) => bail!(unclear(&format!("{JOB_INDEX} is set and {JOB_COUNT} is not"))),
        (None, Some(_)) => bail!(unclear(&format!("{JOB_COUNT} is set and {JOB_INDEX} is not"))),
    };
    if slurm.is_some() && job.is_some() {
        bail!(unclear(&format!("both {SLURM_ID} and {JOB_INDEX} are set")));
    }
    match slurm.or(job) {
        Some(Told { index, count, variable }) if index >= count => {
            bail!(unclear(&format!("{variable} asks for shard {index} of {count}, from 0")))
        }
        shard => Ok(shard),
    }
}

fn unclear(why: &str) -> RunError {
    RunError::usage(format!(
        "cannot tell which lines are for this task: {why}; give --shard I/N, or --shard 0/1 for all"
    ))
}

/// Variables that say which of several processes this is.
pub(crate) const VARIABLES: [&str; 6] =
    [SLURM_ID, SLURM_COUNT, SLURM_MIN, SLURM_STEP, JOB_INDEX, JOB_COUNT];

/// Slurm's, in the tasks of a job array (sbatch(1)).
const SLURM_ID: &str = "SLURM_ARRAY_TASK_ID";

const SLURM_COUNT: &str = "SLURM_ARRAY_TASK_COUNT";

const SLURM_MIN: &str = "SLURM_ARRAY_TASK_MIN";

const SLURM_STEP: &str = "SLURM_ARRAY_TASK_STEP";

/// Kubernetes' own, in the pods of an Indexed Job, and the one that its manifest has to set.
const JOB_INDEX: &str = "JOB_COMPLETION_INDEX";

const JOB_COUNT: &str = "JOB_COMPLETIONS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_as_they_are_typed() {
        for (text, index, count) in [("0/1", 0, 1), ("3/4", 3, 4), ("0/4294967295", 0, u32::MAX)] {
            assert_eq!(shard(text), Ok(Shard::new(index, count)));
        }
        for text in
            ["", "/", "1", "1/", "/1", "4/4", "0/0", "-1/4", "+0/1", "0/4294967296", "0/1/2"]
        {
            assert!(shard(text).is_err(), "{text}");
        }
    }

    fn shard_of(variables: &[(&'static str, &str)]) -> Result<Option<(u32, u32)>, String> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let args = LinesArgs { dry_run: false, shard: None };
        let (shard, note) = args.shard(&variables).map_err(|error| error.to_string())?;
        assert_eq!(note.is_some(), shard.is_some());
        Ok(shard.map(|shard| (shard.index(), shard.count())))
    }

    #[test]
    fn the_environment_decides_without_the_option() {
        assert_eq!(shard_of(&[]), Ok(None));
        assert_eq!(shard_of(&[(SLURM_ID, "0"), (SLURM_COUNT, "1")]), Ok(None));
        assert_eq!(shard_of(&[(SLURM_ID, "3"), (SLURM_COUNT, "4")]), Ok(Some((3, 4))));
        let from = |id, count, min, step| {
            shard_of(&[(SLURM_ID, id), (SLURM_COUNT, count), (SLURM_MIN, min), (SLURM_STEP, step)])
        };
        assert_eq!(from("1", "4", "1", "1"), Ok(Some((0, 4))));
        assert_eq!(from("7", "4", "1", "2"), Ok(Some((3, 4))));
        assert_eq!(shard_of(&[(JOB_INDEX, "0"), (JOB_COUNT, "2")]), Ok(Some((0, 2))));
    }

    #[test]
    fn what_it_does_not_say_clearly_is_an_error() {
        let table: [&[(&str, &str)]; 9] = [
            &[(SLURM_ID, "1")],
            &[(SLURM_COUNT, "1")],
            &[(JOB_INDEX, "1")],
            &[(JOB_COUNT, "1")],
            &[(SLURM_ID, "4"), (SLURM_COUNT, "4")],
            &[(SLURM_ID, "0"), (SLURM_COUNT, "4"), (SLURM_MIN, "1")],
            &[(SLURM_ID, "2"), (SLURM_COUNT, "4"), (SLURM_MIN, "1"), (SLURM_STEP, "2")],
            &[(JOB_INDEX, "one"), (JOB_COUNT, "2")],
            &[(SLURM_ID, "0"), (SLURM_COUNT, "2"), (JOB_INDEX, "0"), (JOB_COUNT, "2")],
        ];
        for variables in table {
            let names = VARIABLES.map(|name| {
                variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (name, *value))
            });
            let variables: Vec<_> = names.into_iter().flatten().collect();
            let error = shard_of(&variables).unwrap_err();
            assert!(error.contains("--shard I/N"), "{error}");
        }
    }

    #[test]
    fn the_option_goes_before_the_environment() {
        let variables = [(SLURM_ID, "nonsense".to_owned())];
        for (typed, expected) in [((1, 3), Some((1, 3))), ((0, 1), None)] {
            let (index, count) = typed;
            let args = LinesArgs { dry_run: false, shard: Some(Shard::new(index, count)) };
            let (shard, note) = args.shard(&variables).unwrap();
            assert_eq!(shard.map(|shard| (shard.index(), shard.count())), expected);
            assert_eq!(note, None);
        }
    }
}
