//! What the recorder promises, tested through its public surface.

mod any;
mod lines;
