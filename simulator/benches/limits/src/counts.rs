//! What is done once, for instructions to be counted: short, on input that is made or bundled, and
//! the same at each run.

use std::hint::black_box;
use std::path::Path;

use anyhow::{bail, ensure};
use engine::PolicyDocument;
use recorder::{Line, Trace};

use crate::decode::{lines, pack_lines, text};
use crate::{imports, replays, sink, steps};

/// Where the counting begins and ends: a function that is found by its name.
#[inline(never)]
fn counted<T>(run: impl FnOnce() -> T) -> T {
    black_box(run())
}

/// Does what is named once.
///
/// # Errors
/// There is no such subject; the bundled trace cannot be read.
pub(crate) fn run(subject: &str, trace: Option<&str>) -> anyhow::Result<()> {
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../traces");
    let bundled = traces.join("synthetic/heavy");
    let trace = Trace::open(trace.map_or(bundled.as_path(), Path::new))?;
    match subject {
        "canonical" => {
            let text = text(&trace)?;
            ensure!(lines(&text).all(|line| Line::parse_canonical(line).is_some()));
            counted(|| lines(&text).for_each(|line| sink(Line::parse(line))));
        }
        "packing" => {
            let text = text(&trace)?;
            counted(|| sink(pack_lines(&text)));
        }
        "step" => {
            let (mut engine, events) = steps::browsing(300, 10);
            counted(|| steps::run(&mut engine, &events));
        }
        "replay" => {
            let packed = replays::packed(&trace)?;
            let document = PolicyDocument::default();
            counted(|| sink(replays::run(&packed, &[document])));
        }
        "sweep" => {
            let packed = replays::packed(&trace)?;
            let variants = replays::variants()?;
            counted(|| sink(replays::run(&packed, &variants[..replays::ABREAST])));
        }
        "many_tabs" => {
            let steps = replays::browsing(2_000, 10);
            counted(|| sink(replays::with_frontier(&steps)));
        }
        "import" => {
            let table = imports::table()?;
            counted(|| imports::run(&table))?;
        }
        _ => bail!("canonical, packing, step, replay, sweep, many_tabs or import"),
    }
    Ok(())
}
