//! What may have been meant by a name that nothing has.

use strsim::damerau_levenshtein;

/// Returns the names that begin like what was asked for, from three letters on; else the one that is
/// nearest by its letters, at most two of them away. A name of several parts, `focus.enabled`, can
/// be called by its last one.
pub fn meant<'a>(asked: &str, names: impl Iterator<Item = &'a str> + Clone) -> Vec<&'a str> {
    if asked.len() < 3 {
        return Vec::new();
    }
    let asked = &asked.to_lowercase();
    let parts = |name: &str| {
        let (whole, last) = (name, name.rsplit('.').next().unwrap_or(name));
        [whole, last].map(str::to_lowercase)
    };
    let begins = |name: &&str| parts(name).iter().any(|part| part.starts_with(asked));
    let begun: Vec<&str> = names.clone().filter(begins).collect();
    if !begun.is_empty() {
        return begun;
    }
    let distance = |name: &&str| {
        let [whole, last] = parts(name).map(|part| damerau_levenshtein(asked, &part));
        whole.min(last)
    };
    let nearest = names.min_by_key(distance);
    nearest
        .filter(|name| distance(name) <= 2)
        .into_iter()
        .collect()
}

/// Asks whether one of them was meant, as part of a sentence that goes on; nothing where there are
/// none.
pub fn did_you_mean(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        names => format!("did you mean {}? ", names.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_and_a_beginning_find_a_name() {
        let names = ["ttl_minutes", "ttl_clock", "gate", "focus.enabled", "lru-N"];
        for (asked, expect) in [
            ("tll_clock", "ttl_clock"),
            ("Gaze", "gate"),
            ("Gat", "gate"),
            ("agte", "gate"),
            ("enabeld", "focus.enabled"),
            ("ttl", "ttl_minutes or ttl_clock"),
            ("enab", "focus.enabled"),
            ("lrx-M", "lru-N"),
            ("ga", ""),
            ("colour", ""),
            ("", ""),
        ] {
            assert_eq!(
                meant(asked, names.into_iter()).join(" or "),
                expect,
                "{asked}"
            );
        }
    }
}
