//! What comes in from a browser: frames on a stream, and the messages in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use native_host::framing::{FramingError, MessageReader};
use native_host::protocol::Incoming;
use recorder::ExtEvent;

fuzz_target!(|stream: &[u8]| {
    let mut reader = MessageReader::new(stream);
    loop {
        let message = match reader.read() {
            Ok(Some(message)) => message,
            Err(FramingError::TooLarge { .. }) => continue,
            Ok(None) | Err(_) => return,
        };
        assert!(message.len() <= stream.len());
        if let Ok(Incoming::Events { events }) = Incoming::read(&message) {
            for event in &events {
                // What the host takes is what the log can hold.
                let Ok(event) = ExtEvent::from_value(event) else {
                    continue;
                };
                assert!(event.n > 0);
            }
        }
    }
});
