//! A policy document, as TOML and as JSON: what is valid reads back as it was written.

#![no_main]

use engine::PolicyDocument;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for policy in [
        PolicyDocument::from_toml(text),
        PolicyDocument::from_json(text),
    ] {
        let Ok(policy) = policy else { continue };
        let again = PolicyDocument::from_toml(&policy.to_toml()).expect("it reads back");
        assert_eq!(again, policy);
        assert_eq!(again.hash(), policy.hash());
        let json = policy.to_json().to_string();
        assert_eq!(
            PolicyDocument::from_json(&json).expect("it reads back"),
            policy
        );
        let _ = policy.protects(text);
    }
});
