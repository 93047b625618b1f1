//! The schema and the types say the same.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use recorder::LINE_TYPES;
use serde_json::{Value, json};

use crate::any;

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&serde_json::from_str(&recorder::schema()).unwrap()).unwrap()
}

#[test]
fn the_schema_in_the_repository_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/schema/line.schema.json");
    let found = fs::read_to_string(&path).unwrap();
    assert!(
        found == recorder::schema(),
        "run `cargo xtask schema` and commit {}",
        path.display()
    );
}

#[test]
fn every_line_that_can_be_written_is_valid() {
    let validator = validator();
    proptest!(|(line in any::line())| {
        let mut bytes = Vec::new();
        line.write(&mut bytes);
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        if let Err(error) = validator.validate(&value) {
            let at = error.instance_path().to_string();
            prop_assert!(false, "{at}: {error}\n{value}");
        }
    });
}

#[test]
fn what_is_no_line_is_not_valid() {
    let validator = validator();
    let good = json!({"type": "tab_closed", "seq": 1, "t_ms": 2, "src": "ext", "n": 1, "tab": 4});
    assert!(validator.is_valid(&good));
    let later = json!({"type": "tab_teleported", "seq": 1, "t_ms": 2, "src": "ext", "to": "moon"});
    assert!(validator.is_valid(&later));
    for (field, value) in [
        ("seq", json!(-1)),
        ("seq", Value::Null),
        ("t_ms", json!("now")),
        ("src", json!("host")),
        ("tab", json!("4")),
        ("tab", Value::Null),
        ("type", json!("metrics")),
        ("type", json!(4)),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(!validator.is_valid(&bad), "{bad}");
    }
    assert!(!validator.is_valid(&json!([])));
}

#[test]
fn every_type_stands_in_the_format_page() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("FORMAT.md")).unwrap();
    let schema: Value = serde_json::from_str(&recorder::schema()).unwrap();
    for line_type in LINE_TYPES {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", line_type.name)))
            .unwrap_or_else(|| panic!("{} has no row", line_type.name));
        let fields = schema["$defs"][line_type.name]["properties"]
            .as_object()
            .unwrap();
        for field in fields.keys() {
            let is_of_envelope =
                ["type", "seq", "t_ms", "src", "n", "at_ms"].contains(&field.as_str());
            let is_of_a_tab = line_type.name == "tab_opened";
            assert!(
                is_of_envelope || is_of_a_tab || row.contains(&format!("`{field}`")),
                "{field} of {} is not in its row",
                line_type.name
            );
        }
    }
    let tab = schema["$defs"]["Tab"]["properties"].as_object().unwrap();
    for field in tab.keys() {
        assert!(
            page.contains(&format!("| `{field}` |")),
            "{field} of a tab has no row"
        );
    }
}
