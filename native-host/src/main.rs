//! `tab-orchestrator-host`: started by a browser it serves the extension; by hand it installs and
//! looks after itself.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use native_host::cli::{Cli, DoctorArgs, EraseArgs, InstallArgs, PlaceArgs, Verb};
use native_host::connection::Ending;
use native_host::erase::{Plan, StillWriting, nobody_writes};
use native_host::extensions::Caller;
use native_host::health::{Machine, Subject, checks, doctor};
use native_host::install::{NoBrowser, Place, forget_extensions, install, uninstall};
use native_host::paths::Paths;
use native_host::roots::Roots;
use native_host::run::run;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let outcome = match Caller::from_arguments(&arguments) {
        Some(caller) => run(&caller).map(|ending| match ending {
            Ending::Sealed => 0,
            Ending::Refused => 1,
            Ending::DataLost => 3,
        }),
        None => match Cli::parse().verb {
            Verb::Install(args) => install_verb(&args),
            Verb::Uninstall(args) => uninstall_verb(&args),
            Verb::Doctor(args) => doctor_verb(args),
            Verb::Erase(args) => erase_verb(args),
        },
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            native_host::report(format_args!("{error:#}"));
            ExitCode::from(if is_no(&error) { 1 } else { 2 })
        }
    }
}

fn install_verb(args: &InstallArgs) -> anyhow::Result<u8> {
    let host = this_program()?;
    let (roots, paths) = (Roots::find()?, Paths::find()?);
    let places = match args.place.named(&roots)? {
        Some(place) => vec![place],
        None => Place::present(&roots),
    };
    if places.is_empty() {
        return Err(NoBrowser::None.into());
    }
    let mut text = String::new();
    for place in places {
        let installed = install(&place, &host, &args.extension_ids, &paths)?;
        let done = if installed.is_new {
            "wrote"
        } else {
            "found as it should be"
        };
        text.push_str(&format!("{done}: {}\n", installed.manifest.display()));
        for extension in &installed.extensions {
            text.push_str(&format!("extension that may start it: {extension}\n"));
        }
    }
    text.push_str(&format!("host: {}\n", host.display()));
    print(&text)?;
    Ok(0)
}

fn uninstall_verb(args: &PlaceArgs) -> anyhow::Result<u8> {
    let (roots, paths) = (Roots::find()?, Paths::find()?);
    let named = args.named(&roots)?;
    let is_named = named.is_some();
    let mut text = String::new();
    for place in named.map_or_else(|| Place::all(&roots), |place| vec![place]) {
        let (manifest, was_there) = uninstall(&place)?;
        if was_there {
            text.push_str(&format!("removed: {}\n", manifest.display()));
        } else if is_named {
            text.push_str(&format!("not there: {}\n", manifest.display()));
        }
    }
    if let Some(file) = forget_extensions(&roots, &paths)? {
        text.push_str(&format!("removed: {}\n", file.display()));
    }
    if text.is_empty() {
        text.push_str("found nothing to remove\n");
    }
    if let Err(error) = nobody_writes(&paths.traces()) {
        let host = error.downcast::<StillWriting>()?.host();
        text.push_str(&format!(
            "{host} still runs: it goes on until its browser is closed, or the extension disabled\n"
        ));
    }
    print(&text)?;
    Ok(0)
}

fn doctor_verb(args: DoctorArgs) -> anyhow::Result<u8> {
    let subject = Arc::new(Subject {
        machine: Arc::new(Machine::find(this_program()?)?),
        live: None,
    });
    let diagnosis = doctor::examine(&checks::registry(), &subject, args.fix);
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&diagnosis)?)
    } else {
        diagnosis.to_text()
    };
    print(&text)?;
    Ok(diagnosis.exit_code(args.strict))
}

fn erase_verb(args: EraseArgs) -> anyhow::Result<u8> {
    let plan = Plan::make(&Paths::find()?)?;
    let asks = !args.yes && !args.dry_run && !plan.is_empty();
    if asks && (args.json || !io::stdin().is_terminal()) {
        anyhow::bail!("nothing was erased: nobody can be asked; say --yes, or --dry-run to look");
    }
    if asks {
        let shown = plan.report().to_text();
        write!(
            io::stderr(),
            "{shown}Erase this? It cannot be undone. [y/N] "
        )?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            native_host::report(format_args!("nothing was erased"));
            return Ok(1);
        }
    }
    let report = if args.dry_run {
        plan.report()
    } else {
        plan.carry_out()?
    };
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&report)?)
    } else {
        report.to_text()
    };
    print(&text)?;
    for failure in &report.failures {
        native_host::report(format_args!("not erased: {failure}"));
    }
    Ok(if report.failures.is_empty() { 0 } else { 3 })
}

/// Whether an error is the answer no.
fn is_no(error: &anyhow::Error) -> bool {
    error.is::<NoBrowser>() || error.is::<StillWriting>()
}

fn this_program() -> anyhow::Result<PathBuf> {
    env::current_exe()
        .and_then(|path| path.canonicalize())
        .context("cannot tell where this program lies")
}

/// A reader that hung up is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
