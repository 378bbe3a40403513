//! What is said of a report that was read, before its run goes on.

use crate::engine::say::say;
use crate::report::Number;
use std::path::Path;

/// Says how many files of a report were looked at, and how many of them are pulled again.
/// `is_restarted` says whether a power cut may have taken some.
pub(super) fn lost(path: &Path, (lost, seen): (u64, u64), is_restarted: bool, is_compared: bool) {
    let path = path.display();
    if is_compared {
        let compared = match seen {
            1 => format!("the one file of {path} was compared"),
            _ => format!("{} files of {path} were compared", Number(seen)),
        };
        say(&match lost {
            0 => format!("{compared}: as it says (by length, where it has no digest)"),
            1 => format!("{compared}: 1 is not as it says"),
            _ => format!("{compared}: {} are not as it says", Number(lost)),
        });
    } else if is_restarted && lost > 0 {
        let (lost, seen) = (Number(lost), Number(seen));
        say(&format!(
            "warning: since the last sync of {path} the machine was restarted, or a disk mounted \
             again: of {seen} files pulled after it {lost} are pulled again, because they are \
             lost or nothing proves that they are whole (a digest would: --compute-hash)"
        ));
    }
}

/// Says how many lines of a report have no file, as one is wanted.
pub(super) fn discarded(path: &Path, count: u64) {
    let path = path.display();
    let told = match count {
        0 => return,
        1 => format!("1 line of {path} has no file, since --discard pulled it: it is pulled again"),
        _ => format!(
            "{} lines of {path} have no file, since --discard pulled them: they are pulled again",
            Number(count)
        ),
    };
    say(&told);
}
