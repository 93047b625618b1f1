//! Names in a help text, each with what it is.

/// A name and what it is, broken into lines.
pub(crate) fn described(name: &str, about: &str) -> String {
    let mut text = format!("  {name}\n");
    let mut line = String::new();
    for word in about.split(' ') {
        if line.len() + word.len() > 88 {
            text += &format!("     {line}\n");
            line.clear();
        }
        line += &format!(" {word}");
    }
    text + &format!("     {line}\n")
}
