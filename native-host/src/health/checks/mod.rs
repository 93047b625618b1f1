//! The checks, a file a family, in the order in which they are told: from the host itself to the
//! machine it runs on. Within a family each check stands before the function that looks.

mod browsers;
mod disk;
mod enterprise;
mod folders;
mod live;
mod log;
mod manifests;
mod policy;
mod privacy;
mod sensors;

use super::registry::{Check, Registry};
use super::subject::Subject;

/// All checks.
pub fn all() -> Vec<Check<Subject>> {
    vec![
        live::LOOP,
        live::LOG,
        live::METRICS,
        live::PROTOCOL,
        browsers::FOUND,
        browsers::SANDBOXED,
        manifests::PRESENT,
        manifests::VALID,
        manifests::PATH,
        manifests::EXTENSIONS,
        enterprise::POLICIES,
        folders::EXTENSIONS_FILE,
        folders::MODES,
        folders::LOG,
        policy::LOADED,
        privacy::CHOICE,
        privacy::KEY,
        disk::FREE,
        log::TORN,
        log::VERSIONS,
        sensors::MEMORY,
        sensors::STALL,
        sensors::BATTERY,
    ]
}

/// The registry of all checks.
///
/// # Panics
/// If an id stands twice, which a test rules out.
pub fn registry() -> Registry<Subject> {
    Registry::new(all()).expect("a test holds that each id stands once")
}

#[cfg(test)]
mod tests {
    use super::super::registry::Face;
    use super::*;

    #[test]
    fn every_id_stands_once_and_every_face_has_checks() {
        let registry = Registry::new(all()).unwrap();
        for face in [Face::Liveness, Face::Readiness, Face::Doctor] {
            assert!(registry.checks(face).count() > 0, "{face:?}");
        }
        for check in all() {
            let is_word = |it: &str| it.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
            let parts: Vec<_> = check.id.split('.').collect();
            assert!(
                parts.len() == 2 && parts.into_iter().all(is_word),
                "{}",
                check.id
            );
            assert!(
                !check.faces.is_empty() && !check.fix.is_empty(),
                "{}",
                check.id
            );
            assert!(!check.timeout.is_zero(), "{}", check.id);
        }
    }

    /// `HEALTH.md` has a row for each check, in this order, that says what the check says.
    #[test]
    fn the_page_on_health_says_what_the_registry_says() {
        let page = include_str!("../../../HEALTH.md");
        let rows: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let expect: Vec<_> = all().iter().map(row).collect();
        assert_eq!(
            rows.join("\n"),
            expect.join("\n"),
            "HEALTH.md is not what it should be"
        );
    }

    fn row(check: &Check<Subject>) -> String {
        let faces: Vec<_> = check
            .faces
            .iter()
            .map(|face| format!("{face:?}").to_lowercase())
            .collect();
        format!(
            "| `{}` | {} | {} | {} | {} ms | {} |",
            check.id,
            check.about,
            faces.join(", "),
            if check.is_required { "yes" } else { "no" },
            check.timeout.as_millis(),
            check.fix,
        )
    }
}
