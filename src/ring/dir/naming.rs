//! The final name of a file that has a temporary one: whether it replaces what has the name.

use super::Dir;
use crate::fault::{Cause, DiskProblem};
use crate::ring::file::Naming;
use crate::ring::name_cause;
use crate::ring::shim::{Op, call};
use rustix::fs::AtFlags;
use rustix::io::Errno;

impl Dir {
    /// Gives the file of input line `index` its final name in place of `from`, which `is_taken` if
    /// something is known to have it. Says whether that replaced a file.
    ///
    /// # Errors
    /// EEXIST where something has the name that stays; what the disk says.
    pub(in crate::ring) fn give_name(
        &self,
        from: &str,
        to: &str,
        naming: Naming,
        index: u64,
        is_taken: bool,
    ) -> Result<bool, Cause> {
        let at = &*self.fd;
        let renamed = match naming {
            _ if is_taken => Err(Errno::EXIST),
            Naming::NoReplace => self.rename_no_replace(from, to, index),
            // Most often nothing has the name, and that is known without a look.
            Naming::Replace => self.rename_noreplace(from, to),
        };
        match (naming, renamed) {
            (_, Ok(())) => Ok(false),
            (Naming::Replace, Err(Errno::EXIST | Errno::INVAL)) => {
                let has_replaced = self.has_replaceable(to)?;
                call(Op::Rename, || rustix::fs::renameat(at, from, at, to))
                    .map_err(|errno| name_cause(errno.raw_os_error()))?;
                Ok(has_replaced)
            }
            (_, Err(errno)) => Err(name_cause(errno.raw_os_error())),
        }
    }

    /// Gives a name by `give`, and once more as one that replaces where the name is kept from
    /// another job only: this line was pulled before, and its row was lost.
    pub(in crate::ring) fn give_name_again(
        &self,
        name: &str,
        naming: Naming,
        index: u64,
        mut give: impl FnMut(Naming) -> Result<bool, Cause>,
    ) -> Result<bool, Cause> {
        match give(naming) {
            Err(Cause::Disk(DiskProblem::Exists)) if self.is_own(name, index) => {
                give(Naming::Replace)
            }
            given => given,
        }
    }

    /// Removes a name that was made by this program; that it is gone already is as good.
    pub(in crate::ring) fn remove(&self, name: &str) {
        let _: Result<(), Errno> =
            call(Op::Unlink, || rustix::fs::unlinkat(&*self.fd, name, AtFlags::empty()));
    }
}
