//! The crash test of the native host, at length.

use crate::steps::{Steps, cargo, root};

/// Kills the host so many times, and asks `sim verify` after each.
pub(crate) fn test(steps: &mut Steps, kills: u64, seed: u64) -> anyhow::Result<()> {
    steps.command("build sim", cargo(["build", "--release", "--bin", "sim"]))?;
    let mut test = cargo(["test", "--release", "--package", "native-host"]);
    test.args(["--test", "host", "--", "crash::", "--nocapture"])
        .env("CRASH_KILLS", kills.to_string())
        .env("CRASH_SEED", seed.to_string())
        .env("CRASH_SIM", root().join("target/release/sim"));
    steps.command(&format!("{kills} kills"), test)
}
