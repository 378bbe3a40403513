//! What the programs in `run/` share: the targets by name.

#[allow(dead_code, reason = "the conformance tests use all of it")]
#[path = "../conformance/driver.rs"]
mod driver;
#[path = "../conformance/reference.rs"]
mod reference;
mod targets;

/// Gives `data` to the target of this name.
///
/// # Panics
/// When the target finds a property that does not hold.
pub fn run(name: &str, data: &[u8]) {
    targets::find(name)(data);
}
