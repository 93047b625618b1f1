//! A packed trace whose checksum holds: whatever it was made of, its steps can be read to their
//! end or to what is wrong, and an engine takes them. The first two bytes say how long its head is.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use simulator::packed::PackedTrace;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let head = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (head, steps) = rest.split_at(head);
    let mut file = [steps, head].concat();
    let crc = crc32c::crc32c(&file);
    file.extend(u32::try_from(head.len()).expect("two bytes").to_le_bytes());
    file.extend(crc.to_le_bytes());
    file.extend(simulator::packed::MAGIC);
    let Ok(packed) = PackedTrace::open(Arc::new(file)) else {
        return;
    };
    let mut count = 0;
    for step in packed.steps() {
        count += u64::from(step.is_ok());
    }
    assert!(count <= bytes.len() as u64, "a step takes a byte at least");
});
