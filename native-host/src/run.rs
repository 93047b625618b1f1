//! The host as a browser runs it: stdin, stdout, signals, and the loop over them.
//!
//! Three threads: one reads messages, one waits for signals, and the main one does everything
//! else, in the order in which it comes.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use recorder::Disk;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::clock::MachineClock;
use crate::connection::{Connection, Ending, Outside};
use crate::extensions::Caller;
use crate::framing::{FramingError, MessageReader, write_message};
use crate::health::Machine;
use crate::metrics::MachineSampler;
use crate::paths::Paths;
use crate::process_tree::Pid;
use crate::protocol::{ErrorCode, ErrorMessage, Outgoing};
use crate::session::Port;

/// How many messages may wait. A browser that sends faster than the log is written is held up by
/// its pipe, and memory does not grow.
const WAITING_MESSAGES: usize = 16;

/// Something for the main thread to do.
enum Input {
    Message(Vec<u8>),
    Unreadable(FramingError),
    /// The end of the input, or a signal that asks for the end.
    End,
}

/// Serves the extension that the browser started the host for, until its end.
///
/// # Errors
/// If it cannot even begin: no home directory, no stdout, no signals.
pub fn run(caller: &Caller) -> anyhow::Result<Ending> {
    let mut port = StdoutPort::take().context("cannot take stdout")?;
    let paths = Paths::find().inspect_err(|error| {
        let fix = "start the browser with HOME set";
        let error = ErrorMessage::new(ErrorCode::LogUnavailable, error.to_string(), fix);
        port.send(&error.into());
    })?;
    if !caller.is_allowed(&paths.extensions()) {
        let problem = format!("{caller} may not start this host");
        let fix = "run `tab-orchestrator-host install` again, with --extension-id and the id of \
                   this extension";
        crate::report(format_args!("{problem}"));
        port.send(&ErrorMessage::new(ErrorCode::ForbiddenOrigin, problem, fix).into());
        return Ok(Ending::Refused);
    }
    let is_broken = Arc::clone(&port.is_broken);

    let (sender, inputs) = mpsc::sync_channel(WAITING_MESSAGES);
    watch_signals(sender.clone()).context("cannot wait for signals")?;
    thread::spawn(move || read_messages(&sender));

    let clock = MachineClock::start();
    let outside = Outside {
        port: Box::new(port),
        sampler: Box::new(MachineSampler::new(browser())),
        storage: Box::new(|| Box::new(Disk)),
        machine: Arc::new(Machine::find(std::env::current_exe().unwrap_or_default())?),
        paths,
    };
    let mut connection = Connection::new(outside, clock.read());
    serve(&mut connection, clock, &inputs, &is_broken);
    Ok(connection.finish(clock.read()))
}

fn serve(
    connection: &mut Connection,
    clock: MachineClock,
    inputs: &Receiver<Input>,
    is_broken: &AtomicBool,
) {
    loop {
        let wait_ms = connection.due_ms().saturating_sub(clock.read().boot_ms);
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
        match inputs.recv_timeout(wait) {
            Ok(Input::Message(message)) => connection.take_message(&message, clock.read()),
            Ok(Input::Unreadable(error)) => connection.take_framing_error(&error),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Input::End) | Err(RecvTimeoutError::Disconnected) => return,
        }
        connection.tick(clock.read());
        // Nobody hears an answer any more.
        if connection.ending().is_some() || is_broken.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// The browser that started the host. A host whose parent is gone already has none.
fn browser() -> Option<Pid> {
    Some(std::os::unix::process::parent_id()).filter(|&pid| pid > 1)
}

fn read_messages(inputs: &SyncSender<Input>) {
    let mut reader = MessageReader::new(io::stdin().lock());
    loop {
        let input = match reader.read() {
            Ok(Some(message)) => Input::Message(message),
            Ok(None) => Input::End,
            Err(error) => Input::Unreadable(error),
        };
        let goes_on = matches!(
            input,
            Input::Message(_) | Input::Unreadable(FramingError::TooLarge { .. })
        );
        // The main thread hangs up when it is done.
        if inputs.send(input).is_err() || !goes_on {
            return;
        }
    }
}

fn watch_signals(inputs: SyncSender<Input>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if inputs.send(Input::End).is_err() {
                return;
            }
        }
    });
    // A write past a limit of file sizes is an error like a full disk, not the end.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

/// Stdout, for messages and nothing else.
struct StdoutPort {
    stdout: File,
    is_broken: Arc<AtomicBool>,
}

impl StdoutPort {
    /// Takes stdout away from everybody else: what any library prints from now on goes to stderr
    /// and cannot break the protocol.
    fn take() -> io::Result<Self> {
        let stdout = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(Self {
            stdout: File::from(stdout),
            is_broken: Arc::default(),
        })
    }
}

impl Port for StdoutPort {
    fn send(&mut self, message: &Outgoing) {
        let bytes = serde_json::to_vec(message).expect("messages have only string keys");
        match write_message(&mut self.stdout, &bytes) {
            Ok(()) => {}
            Err(error @ FramingError::TooLarge { .. }) => {
                crate::report(format_args!("an answer is not sent: {error}"));
            }
            Err(error) => {
                if !self.is_broken.swap(true, Ordering::Relaxed) {
                    crate::report(format_args!("the browser hung up: {error}"));
                }
            }
        }
    }
}
