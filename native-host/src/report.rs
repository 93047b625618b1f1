//! What the host says on stderr, which the browser passes on to its own.

use std::fmt;
use std::io::{self, Write};

/// Says something to whoever looks at the browser's stderr. It never names a page.
pub fn report(what: fmt::Arguments<'_>) {
    // Nobody may be listening, and that is no reason to stop.
    let _ = writeln!(io::stderr(), "tab-orchestrator-host: {what}");
}
