//! Changes a policy's text as a person would in an editor: what differs, and nothing else.
//!
//! Comments, order, blank lines and what was left out are the owner's and stay.

use engine::{PolicyDocument, SETTINGS};
use toml_edit::{Array, DocumentMut, Item, TableLike, Value};

/// Makes a text say another policy; `None` where the text is no policy.
///
/// With a setting that is switched off, or a domain that is taken out, its own comment goes.
pub(crate) fn changed(text: &str, policy: &PolicyDocument) -> Option<String> {
    let before = PolicyDocument::from_toml(text).ok()?.to_json();
    let after = policy.to_json();
    let mut document: DocumentMut = text.parse().ok()?;
    for setting in SETTINGS {
        let pointer = format!("/{}", setting.path.replace('.', "/"));
        let value = after.pointer(&pointer)?;
        if before.pointer(&pointer) == Some(value) {
            continue;
        }
        let (table, name): (&mut dyn TableLike, _) = match setting.path.split_once('.') {
            None => (document.as_table_mut(), setting.path),
            Some((table, name)) => {
                let table = document.entry(table).or_insert_with(toml_edit::table);
                (table.as_table_like_mut()?, name)
            }
        };
        if value.is_null() {
            table.remove(name);
        } else {
            // Numbers, words and lists of words are the same in JSON and in TOML.
            set(table, name, value.to_string().parse().ok()?);
        }
    }
    let text = document.to_string();
    (PolicyDocument::from_toml(&text).as_ref() == Ok(policy)).then_some(text)
}

fn set(table: &mut dyn TableLike, name: &str, mut value: Value) {
    match (table.get_mut(name).and_then(Item::as_value_mut), &mut value) {
        (None, _) => {
            table.insert(name, value.into());
        }
        (Some(Value::Array(list)), Value::Array(wanted)) if list.to_string().contains('\n') => {
            change_lines(list, wanted);
        }
        (Some(before), _) => {
            *value.decor_mut() = before.decor().clone();
            *before = value;
        }
    }
}

/// Changes a list that takes a line for each element: those that stay keep theirs.
fn change_lines(list: &mut Array, wanted: &Array) {
    let before = list.clone();
    let line_start = (before.iter().last())
        .and_then(|last| last.decor().prefix()?.as_str())
        .map(|prefix| &prefix[prefix.rfind('\n').unwrap_or(0)..])
        .unwrap_or_default();
    list.clear();
    for element in wanted {
        let kept = before.iter().find(|it| it.as_str() == element.as_str());
        list.push_formatted(match kept {
            Some(kept) => kept.clone(),
            None => element.clone().decorated(line_start, ""),
        });
    }
}

#[cfg(test)]
mod tests {
    use engine::PRESETS;

    use super::*;

    const BY_HAND: &str = r#"# Mine, since March.
ttl_minutes = 20 # was 15

# Never these:
protected_domains = [
    "docs.google.com",
    # the bank
    ".mybank.example", # and all below it
]

[focus] # what I work on
cluster_cap = 5
"#;

    #[test]
    fn what_is_changed_is_changed_and_the_rest_stays() {
        #[track_caller]
        fn check(members: &str, expect: &[(&str, &str)]) {
            let members = serde_json::from_str(members).unwrap();
            let before = PolicyDocument::from_toml(BY_HAND).unwrap();
            let policy = crate::policy_file::lay_over(&before, &members).unwrap();
            let expect = expect.iter().fold(BY_HAND.to_owned(), |text, (old, new)| {
                assert!(text.contains(old), "{old}");
                text.replace(old, new)
            });
            assert_eq!(changed(BY_HAND, &policy), Some(expect));
        }
        check("{}", &[]);
        check(r#"{"ttl_minutes": 33}"#, &[("= 20 #", "= 33.0 #")]);
        check(
            r#"{"focus": {"enabled": false}}"#,
            &[("cap = 5\n", "cap = 5\nenabled = false\n")],
        );
        check(
            r#"{"target_free_percent": 30, "pressure": {"ram_weight": 60}}"#,
            &[
                ("]\n\n[focus]", "]\ntarget_free_percent = 30.0\n\n[focus]"),
                ("cap = 5\n", "cap = 5\n\n[pressure]\nram_weight = 60\n"),
            ],
        );
        check(
            r#"{"protected_domains": ["shop.example", ".mybank.example"]}"#,
            &[("    \"docs.google.com\"", "    \"shop.example\"")],
        );
        check(
            r#"{"protected_domains": ["docs.google.com"]}"#,
            &[(",\n    # the bank\n    \".mybank.example\", #", ", #")],
        );
    }

    #[test]
    fn whatever_the_text_it_says_the_policy_then() {
        let spellings = [
            "",
            "protected_domains = [\"a.example\", \"b.example\"] # all",
            "focus = { enabled = false, cluster_cap = 3 } # off",
            "focus.proactive = true # dotted\npressure.ram_weight = 60",
            "target_free_percent = 20\n[pressure]\n[focus]",
            BY_HAND,
            &PolicyDocument::default().to_toml(),
        ];
        let policies = PRESETS
            .map(|name| PolicyDocument::preset(name).unwrap())
            .into_iter()
            .chain(spellings.map(|text| PolicyDocument::from_toml(text).unwrap()));
        for policy in policies {
            for text in spellings {
                let found = changed(text, &policy).unwrap();
                assert_eq!(PolicyDocument::from_toml(&found), Ok(policy.clone()));
                assert_eq!(
                    changed(&found, &policy),
                    Some(found),
                    "it is not changed again"
                );
            }
        }
        assert_eq!(changed("ttl_minutes = 0", &PolicyDocument::default()), None);
    }
}
