//! `tab-orchestrator-host`: started by a browser it serves the extension; by hand it installs.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use native_host::cli::{Cli, InstallArgs, PlaceArgs, Verb};
use native_host::connection::Ending;
use native_host::install::{NoBrowser, install, uninstall};
use native_host::paths::Paths;
use native_host::run::run;

fn main() -> ExitCode {
    // A browser gives the caller's origin first, and what else it gives differs from one platform
    // and version to the next: nothing of it is taken for an option.
    let origin = env::args_os()
        .nth(1)
        .and_then(|first| first.into_string().ok());
    let outcome = match origin.filter(|first| first.contains("://")) {
        Some(origin) => run(&origin).map(|ending| match ending {
            Ending::Sealed => 0,
            Ending::Refused => 1,
            Ending::DataLost => 3,
        }),
        None => match Cli::parse().verb {
            Verb::Install(args) => install_verb(&args),
            Verb::Uninstall(args) => uninstall_verb(&args),
        },
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            native_host::report(format_args!("{error:#}"));
            ExitCode::from(if error.is::<NoBrowser>() { 1 } else { 2 })
        }
    }
}

fn install_verb(args: &InstallArgs) -> anyhow::Result<u8> {
    let host = env::current_exe()
        .and_then(|path| path.canonicalize())
        .context("cannot tell where this program lies")?;
    let installed = install(
        &args.place.resolve()?,
        &host,
        &args.extension_ids,
        &Paths::find()?,
    )?;
    let mut text = String::new();
    let done = if installed.is_new {
        "wrote"
    } else {
        "found as it should be"
    };
    text.push_str(&format!("{done}: {}\n", installed.manifest.display()));
    text.push_str(&format!("host: {}\n", installed.host.display()));
    for extension in &installed.extensions {
        text.push_str(&format!("extension that may start it: {extension}\n"));
    }
    print(&text)
}

fn uninstall_verb(args: &PlaceArgs) -> anyhow::Result<u8> {
    let (manifest, was_there) = uninstall(&args.resolve()?)?;
    let done = if was_there { "removed" } else { "not there" };
    print(&format!("{done}: {}\n", manifest.display()))
}

/// A reader that hung up is no failure.
fn print(text: &str) -> anyhow::Result<u8> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}
