//! Our policy with one part switched off at a time, to see what each is worth.

use engine::{PolicyDocument, Settings};

/// A part of our policy that can be switched off.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What it is called.
    pub name: &'static str,
    /// What is done to be without it.
    pub about: &'static str,
    switch_off: fn(&mut Settings),
}

/// Every part, in order.
pub const PARTS: [Part; 5] = [
    Part {
        name: "focus",
        about: "no working context: every tab has the same TTL",
        switch_off: |settings| {
            settings.focus.enabled = false;
            settings.focus.proactive = false;
        },
    },
    Part {
        name: "psi",
        about: "stall time raises no level (its thresholds stand at 100 %)",
        switch_off: |settings| {
            settings.pressure.psi_elevated_percent = 100.0;
            settings.pressure.psi_high_percent = 100.0;
        },
    },
    Part {
        name: "hysteresis",
        about: "a level is left where it is entered",
        switch_off: |settings| settings.pressure.hysteresis = 0,
    },
    Part {
        name: "cooldown",
        about: "the least pause that a policy may have, 10 seconds",
        switch_off: |settings| settings.cooldown_seconds = 10,
    },
    Part {
        name: "familiarity",
        about: "what guards a tab softly: a well-known host gives no longer a TTL",
        switch_off: |settings| settings.familiarity_cap = 1,
    },
];

impl Part {
    /// The policy without this part; nothing where it does without already.
    ///
    /// # Panics
    /// Never: what is off is within every setting's range.
    pub fn without(&self, document: &PolicyDocument) -> Option<PolicyDocument> {
        let mut settings = Settings::from(document.clone());
        (self.switch_off)(&mut settings);
        let without = PolicyDocument::new(settings).expect("a part can be switched off");
        (without != *document).then_some(without)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_can_be_switched_off_once() {
        for preset in engine::PRESETS {
            let document = PolicyDocument::preset(preset).unwrap();
            for part in PARTS {
                let without = part.without(&document).unwrap();
                assert_eq!(part.without(&without), None, "{preset} {}", part.name);
            }
        }
    }
}
