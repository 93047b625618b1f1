//! Changes a policy's text as a person would in an editor: what differs, and nothing else.
//!
//! Comments, order, blank lines and what was left out are the owner's and stay.

use engine::{PolicyDocument, SETTINGS};
use toml_edit::{Array, DocumentMut, Item, RawString, TableLike, Value};

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
    if let Value::Array(list) = &mut value {
        list.fmt();
    }
    match (table.get_mut(name).and_then(Item::as_value_mut), &mut value) {
        (None, _) => {
            table.insert(name, value.into());
        }
        (Some(Value::Array(list)), Value::Array(wanted)) if has_lines(list) => {
            change_lines(list, wanted);
        }
        (Some(before), _) => {
            *value.decor_mut() = before.decor().clone();
            *before = value;
        }
    }
}

/// Whether a list takes several lines, and something is on them.
fn has_lines(list: &Array) -> bool {
    let text = list.to_string();
    text.contains('\n') && (text.contains('#') || !list.is_empty())
}

/// Changes a list that takes several lines: elements that stay keep theirs, with the comments above
/// and beside them.
fn change_lines(list: &mut Array, wanted: &Array) {
    let before: Vec<_> = list.iter().cloned().collect();
    let text = |raw: Option<&RawString>| raw?.as_str().map(str::to_owned);
    let suffixes = before.iter().map(|it| text(it.decor().suffix()));
    let prefixes = before.iter().map(|it| text(it.decor().prefix()));
    // What stands before each element and after the last: first what ends the line of the one before.
    let gaps: Vec<_> = std::iter::once(None)
        .chain(suffixes)
        .zip(prefixes.chain([text(Some(list.trailing()))]))
        .map(|(suffix, prefix)| suffix.unwrap_or_default() + &prefix.unwrap_or_default())
        .collect();
    let gaps: Vec<_> = (gaps.iter())
        .map(|gap| gap.split_at(gap.find('\n').unwrap_or(gap.len())))
        .collect();
    let joined = |end_of_line: &str, lines: &str| match end_of_line.trim() {
        "" if lines.starts_with('\n') => lines.to_owned(),
        // What follows on its line would be part of the comment.
        comment if !comment.is_empty() && lines.is_empty() => format!("{end_of_line}\n"),
        _ => format!("{end_of_line}{lines}"),
    };
    let lines = gaps
        .iter()
        .map(|&(_, lines)| lines)
        .find(|it| !it.is_empty());
    let lines = lines.unwrap_or_default().trim_start_matches('\n');
    let indent = &lines[..lines.len() - lines.trim_start_matches([' ', '\t']).len()];
    let own_line = format!("\n{indent}");

    list.clear();
    let (mut end_of_line, mut next) = (gaps[0].0, 0);
    for element in wanted {
        let place = before.iter().position(|it| it.as_str() == element.as_str());
        let (element, lines, beside) = match place {
            Some(at) => (&before[at], gaps[at].1, gaps[at + 1].0),
            None => (element, "", ""),
        };
        let is_beside_the_same = place == Some(next);
        let lines = match lines {
            "" if !is_beside_the_same => &own_line,
            lines => lines,
        };
        list.push_formatted(element.clone().decorated(joined(end_of_line, lines), ""));
        end_of_line = beside;
        next = place.map_or(usize::MAX, |at| at + 1);
    }
    list.set_trailing(joined(end_of_line, gaps[before.len()].1));
    let has_comma = before.is_empty() || list.trailing_comma();
    list.set_trailing_comma(has_comma && !list.is_empty());
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
            &[(
                "    # the bank\n    \".mybank.example\", # and all below it\n",
                "",
            )],
        );
    }

    #[test]
    fn a_list_is_written_as_a_person_would() {
        #[track_caller]
        fn check(text: &str, domains: &[&str], expect: &str) {
            let mut policy = PolicyDocument::default().to_json();
            policy["protected_domains"] = domains.into();
            let policy = PolicyDocument::from_json(&policy.to_string()).unwrap();
            assert_eq!(changed(text, &policy).as_deref(), Some(expect));
        }
        let two = ["a.example", "b.example"];
        let on_one_line = "protected_domains = [\"a.example\", \"b.example\"]";
        check("", &two, &format!("{on_one_line}\n"));
        check(
            "protected_domains = [] # none",
            &two,
            &format!("{on_one_line} # none\n"),
        );
        check(
            "protected_domains = ['c.example'] # one\n",
            &two,
            &format!("{on_one_line} # one\n"),
        );
        check(
            on_one_line,
            &["b.example"],
            "protected_domains = [\"b.example\"]\n",
        );
        check(
            "protected_domains = [\n]\n",
            &two,
            &format!("{on_one_line}\n"),
        );
        check(
            "protected_domains = [\n  # none yet\n]\n",
            &two,
            "protected_domains = [\n  \"a.example\",\n  \"b.example\",\n  # none yet\n]\n",
        );
        check(
            "protected_domains = [\n  \"a.example\", # mine\n]\n",
            &two,
            "protected_domains = [\n  \"a.example\", # mine\n  \"b.example\",\n]\n",
        );
        check(
            "protected_domains = [ # mine\n  \"c.example\", # the first\n  \"a.example\" # and mine\n]\n",
            &two,
            "protected_domains = [ # mine\n  \"a.example\", # and mine\n  \"b.example\"\n]\n",
        );
        check(
            "protected_domains = [\n  \"b.example\", \"a.example\" # two\n]\n",
            &two,
            "protected_domains = [\n  \"a.example\", # two\n  \"b.example\"\n]\n",
        );
        check(
            "protected_domains = [\n  \"c.example\", \"d.example\",\n  'a.example', 'b.example'\n]\n",
            &two,
            "protected_domains = [\n  'a.example', 'b.example'\n]\n",
        );
        check(
            "protected_domains = [\n  # all of them\n  \"a.example\",\n]\n",
            &[],
            "protected_domains = [\n]\n",
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
            "protected_domains = [\n  \"a.example\", # x\n  \"z.example\"]",
            "protected_domains = [\n  \"z.example\" # x\n, \"a.example\"]",
            "protected_domains = [\r\n  \"b.example\", # x\r\n  \"a.example\"\r\n]\r\n",
            "protected_domains = [\n]",
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
