//! `sim convert`: a trace in another form.

use std::fs;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use recorder::{Body, Line, LogOpened, Trace, file_name};
use serde::Serialize;
#[cfg(feature = "analysis")]
use simulator::parquet;

use crate::console::{Console, bytes, count};
use crate::outcome::Outcome;
use crate::reading::{Ending, Show, open, read_with, shown};
use crate::writing::{Readers, WholeFile};

/// Write a trace in another form, nothing lost
///
/// Reads and checks a whole trace and writes it as JSON Lines, as compressed JSON Lines or, in a
/// program built with `--features analysis`, as Parquet: a row a line, a column a field. Each form
/// gives the same lines again, byte for byte. What a torn end leaves unfinished, and what was
/// written anew after a failed sync, is left out and told. Nothing is left behind where it fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim convert traces/recorded/long long.jsonl.zst
  sim convert traces/recorded/long long.parquet
  sim convert long.parquet restored/ --to jsonl")]
pub(crate) struct ConvertArgs {
    /// The trace: a folder, a segment or a Parquet file
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// The file to write; for JSON Lines also a folder, which takes a file for each segment
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The form to write [default: what the name of OUT ends in]
    #[arg(long, value_name = "FORM")]
    pub(crate) to: Option<Form>,
    /// Replace files that are there
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Write one JSON object that says what was done
    #[arg(long)]
    pub(crate) json: bool,
}

/// A form that a trace can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// JSON Lines
    #[value(name = "jsonl")]
    Jsonl,
    /// JSON Lines, compressed
    #[value(name = "jsonl.zst")]
    Compressed,
    /// Parquet
    #[value(name = "parquet")]
    Parquet,
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'a> {
    trace: String,
    form: &'static str,
    files: Vec<Written>,
    end: &'a Ending,
}

/// A file that was written.
#[derive(Serialize)]
struct Written {
    file: String,
    bytes: u64,
}

pub(crate) fn run(args: &ConvertArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let form = form(args)?;
    let trace = open(&args.trace)?;
    let mut sink = Sink::new(&trace, form, &args.out)?;
    let end = read_with(&trace, Show::Progress, console, |line, reader, _| {
        sink.take(line, reader.text().unwrap_or_default())?;
        Ok(ControlFlow::Continue(()))
    })?;
    let files = sink.finish(args.force)?;
    if end.superseded_bytes > 0 {
        console.note(format_args!(
            "{} that were written anew after a failed sync are left out",
            count(end.superseded_bytes, "byte")
        ));
    }
    if args.json {
        console.json(&Report {
            trace: args.trace.display().to_string(),
            form: name(form),
            files,
            end: &end,
        })?;
    } else {
        for Written { file, bytes: size } in files {
            let file = shown(Path::new(&file));
            console.line(format_args!("{file}: {}", bytes(size)))?;
        }
        console.line(format_args!(
            "{}, digest {}",
            count(end.lines, "line"),
            end.digest
        ))?;
    }
    Ok(Outcome::Yes)
}

fn name(form: Form) -> &'static str {
    match form {
        Form::Jsonl => "jsonl",
        Form::Compressed => "jsonl.zst",
        Form::Parquet => "parquet",
    }
}

/// What was asked for, or what the name says.
fn form(args: &ConvertArgs) -> anyhow::Result<Form> {
    let file = args.out.file_name().and_then(|name| name.to_str());
    let ends_in = |end: &str| file.is_some_and(|name| name.ends_with(end));
    let form = match args.to {
        Some(form) => form,
        None if ends_in(".jsonl") => Form::Jsonl,
        None if ends_in(".jsonl.zst") => Form::Compressed,
        None if ends_in(".parquet") => Form::Parquet,
        None => bail!(
            "{}: the name says no form; end it in .jsonl, .jsonl.zst or .parquet, or say --to FORM",
            args.out.display()
        ),
    };
    #[cfg(not(feature = "analysis"))]
    if form == Form::Parquet {
        bail!("{}: {}", args.out.display(), crate::reading::NO_PARQUET);
    }
    Ok(form)
}

/// Where lines go. Files get their names when all of it was read.
struct Sink {
    form: Form,
    /// The folder that takes a file for each segment, or the only file.
    out: PathBuf,
    is_folder: bool,
    current: Option<Encoder>,
    done: Vec<WholeFile>,
}

/// A file in the making.
enum Encoder {
    Plain(WholeFile),
    Compressed(zstd::Encoder<'static, WholeFile>),
    #[cfg(feature = "analysis")]
    Parquet(Box<parquet::Writer<WholeFile>>),
}

impl Sink {
    fn new(trace: &Trace, form: Form, out: &Path) -> anyhow::Result<Self> {
        let is_folder = out.is_dir() || out.as_os_str().as_encoded_bytes().ends_with(b"/");
        let segments = trace.segments().len();
        if form == Form::Parquet && is_folder {
            bail!(
                "{}: is a folder, expected a file for Parquet",
                out.display()
            );
        }
        if form != Form::Parquet && !is_folder && segments > 1 {
            bail!(
                "{}: the trace has {segments} segments, which a file of lines cannot hold; name a \
                 folder (\"{}/\") that is to take them",
                out.display(),
                out.display()
            );
        }
        if is_folder {
            fs::create_dir_all(out).with_context(|| format!("{}", out.display()))?;
        }
        Ok(Self {
            form,
            out: out.to_owned(),
            is_folder,
            current: None,
            done: Vec::new(),
        })
    }

    fn take(&mut self, line: &Line, text: &[u8]) -> anyhow::Result<()> {
        if let Body::LogOpened(header) = &line.body
            && (self.current.is_none() || self.form != Form::Parquet)
        {
            self.end_file()?;
            self.current = Some(self.begin_file(line.t_ms, header)?);
        }
        match &mut self.current {
            Some(Encoder::Plain(file)) => write_line(file, text)?,
            Some(Encoder::Compressed(file)) => write_line(file, text)?,
            #[cfg(feature = "analysis")]
            Some(Encoder::Parquet(file)) => file.push(text)?,
            None => {}
        }
        Ok(())
    }

    /// Begins a file. In a folder a segment has the name that its writer gave it.
    fn begin_file(&self, t_ms: i64, header: &LogOpened) -> anyhow::Result<Encoder> {
        let file = if self.is_folder {
            let name = file_name(t_ms, header.session, header.segment);
            let name = name.context("the trace was opened at a time that no calendar has")?;
            let suffix = if self.form == Form::Compressed {
                ".zst"
            } else {
                ""
            };
            WholeFile::begin(&self.out.join(name + suffix), Readers::Owner)?
        } else {
            WholeFile::begin(&self.out, Readers::Owner)?
        };
        Ok(match self.form {
            Form::Jsonl => Encoder::Plain(file),
            Form::Compressed => Encoder::Compressed(recorder::compressor(file)?),
            #[cfg(feature = "analysis")]
            Form::Parquet => Encoder::Parquet(Box::new(parquet::Writer::new(file)?)),
            #[cfg(not(feature = "analysis"))]
            Form::Parquet => bail!(crate::reading::NO_PARQUET),
        })
    }

    fn end_file(&mut self) -> anyhow::Result<()> {
        let file = match self.current.take() {
            Some(Encoder::Plain(file)) => file,
            Some(Encoder::Compressed(file)) => file.finish()?,
            #[cfg(feature = "analysis")]
            Some(Encoder::Parquet(file)) => file.finish()?,
            None => return Ok(()),
        };
        self.done.push(file);
        Ok(())
    }

    /// Gives the files their names.
    fn finish(mut self, force: bool) -> anyhow::Result<Vec<Written>> {
        self.end_file()?;
        if !force && let Some(file) = self.done.iter().find(|file| file.path.exists()) {
            bail!(
                "{}: is there already; say --force to replace it",
                file.path.display()
            );
        }
        let mut written = Vec::new();
        for file in self.done {
            written.push(Written {
                file: file.path.display().to_string(),
                bytes: file.end()?,
            });
        }
        Ok(written)
    }
}

/// Writes a line, given without its end.
fn write_line(file: &mut impl Write, text: &[u8]) -> io::Result<()> {
    file.write_all(text)?;
    file.write_all(b"\n")
}
