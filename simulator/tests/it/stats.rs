//! What `sim stats` says of small traces.

use std::fs;

use assert_cmd::cargo::cargo_bin_cmd;
use engine::Mode;
use serde_json::Value;
use simulator::calibration::TARGETS;

use crate::recording::{Recorded, short_of_memory, short_of_memory_again};

/// Calls `sim stats` beside a trace; returns what it said, which is to be all on stdout.
fn stats(recorded: &Recorded, args: &[&str]) -> String {
    let output = cargo_bin_cmd!("sim")
        .arg("stats")
        .args(args)
        .current_dir(recorded.root())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_row_has_a_value_or_a_reason() {
    let recorded = short_of_memory(Mode::Enforce).close();
    recorded.add(&short_of_memory_again(Mode::Enforce).close(), "again");
    let said = stats(&recorded, &["trace", "again", "--json"]);
    let reports: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = reports
        .iter()
        .map(|report| report["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["person", "person", "pooled"]);
    for report in &reports {
        let rows = report["rows"].as_array().unwrap();
        assert_eq!(rows.len(), TARGETS.len());
        for row in rows {
            assert_ne!(row["got"].is_null(), row["absent"].is_null(), "{row}");
        }
    }
    // A person pooled with the like of them is as they are.
    for (alone, pooled) in reports[0]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .zip(reports[2]["rows"].as_array().unwrap())
    {
        let per_week = alone["name"].as_str().unwrap().contains("per");
        assert!(
            per_week || alone["got"] == pooled["got"],
            "{alone}\n{pooled}"
        );
    }
}

#[test]
fn text_shows_values_beside_targets() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let said = stats(&recorded, &["trace"]);
    assert!(
        said.contains("judged rows within their tolerance"),
        "{said}"
    );
    assert!(
        said.contains("not told: tabs_open_p90: it takes 10 people"),
        "{said}"
    );
}

#[test]
fn plots_are_written_light_and_dark() {
    let recorded = short_of_memory(Mode::Enforce).close();
    stats(
        &recorded,
        &["trace", "--svg", "plots", "--html", "page.html"],
    );
    for name in ["still-away", "page-dwell", "tabs-open"] {
        for theme in ["light", "dark"] {
            let file = recorded.root().join(format!("plots/{name}-{theme}.svg"));
            assert!(
                fs::read_to_string(file)
                    .unwrap()
                    .starts_with("<svg role=\"img\"")
            );
        }
    }
    let page = fs::read_to_string(recorded.root().join("page.html")).unwrap();
    // Three plots, in two looks and two widths. Of a handful of departures no curve is drawn.
    assert_eq!(page.matches("<svg role=\"img\"").count(), 12);
    assert!(!page.contains("id=\"return-by-idle\""));
    // It needs nothing from anywhere.
    assert!(
        !page
            .replace("http://www.w3.org/2000/svg", "")
            .contains("://")
    );
}
