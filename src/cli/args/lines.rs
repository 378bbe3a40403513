//! Options about which lines of the inputs are pulled.

use clap::Args;

/// Which lines of the inputs are pulled.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub struct LinesArgs {
    /// Read the inputs, tell what is in them and how fast they were read, and pull nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Pull the lines of one host in N only, those of number I (from 0), for several machines with
    /// one list [default: task of a Slurm array or Kubernetes Indexed Job, else 0/1, which is all]
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<ShardArg>,
}

/// `--shard`: index and count, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ShardArg {
    /// From 0 to `count - 1`.
    pub index: u32,
    /// At least 1.
    pub count: u32,
}

fn shard(text: &str) -> Result<ShardArg, String> {
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
    Ok(ShardArg { index, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards() {
        for (text, index, count) in [("0/1", 0, 1), ("3/4", 3, 4), ("0/4294967295", 0, u32::MAX)] {
            assert_eq!(shard(text), Ok(ShardArg { index, count }));
        }
        for text in
            ["", "/", "1", "1/", "/1", "4/4", "0/0", "-1/4", "+0/1", "0/4294967296", "0/1/2"]
        {
            assert!(shard(text).is_err(), "{text}");
        }
    }
}
