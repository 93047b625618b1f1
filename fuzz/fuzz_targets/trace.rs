//! A whole trace: the reader ends, the engine takes whatever the reader lets through, and what it
//! decides holds.

#![no_main]

use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use engine::{Engine, Mode, Orchestrator, PolicyDocument};
use libfuzzer_sys::fuzz_target;
use recorder::{SegmentSource, Trace};
use simulator::verify::Verification;

/// The segments of a trace, in memory.
#[derive(Debug)]
struct InMemory(Vec<Vec<u8>>);

impl SegmentSource for InMemory {
    fn segment_count(&self) -> usize {
        self.0.len()
    }

    fn open(&self, segment: usize) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.0[segment].clone())))
    }
}

fuzz_target!(|bytes: &[u8]| {
    // A zero byte, which no line has, stands between two segments.
    let segments = bytes.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
    let Ok(trace) = Trace::from_source(Path::new("fuzzed"), Arc::new(InMemory(segments))) else {
        return;
    };
    let mut engine = Engine::new(Orchestrator::new(PolicyDocument::default()), Mode::Observe);
    let mut verification = Verification::new();
    let (mut outputs, mut lines) = (Vec::new(), 0);
    for line in trace.read() {
        let Ok(line) = line else { break };
        lines += 1;
        if let Some(event) = line.event() {
            engine.step(&event, &mut outputs);
        }
        verification.take(&line);
    }
    let _ = engine.state_hash();
    let parity = verification.finish(false);
    assert!(parity.inputs <= lines);
});
