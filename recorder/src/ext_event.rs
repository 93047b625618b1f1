//! An event as the extension sends it: a line that has no place in a log yet, and may say no more of
//! a page than a log may hold.

use crate::line::{Envelope, LineError, Source, parse_object, parse_value};
use crate::wire::{Body, Tab};

/// An event of the extension.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtEvent {
    /// The extension's own counter, from 1.
    pub n: u64,
    /// The extension's clock when it happened, in Unix milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub body: Body,
}

impl ExtEvent {
    /// Reads an event from the text of a JSON object.
    ///
    /// # Errors
    /// As [`Line::parse`](crate::Line::parse); a type that is not the extension's to send; `seq`,
    /// `t_ms` or `src`, which are not its to give; a `host` or `scheme` that is more than one, which
    /// might carry what no log may hold.
    pub fn parse(json: &[u8]) -> Result<Self, LineError> {
        Self::new(parse_object(json)?)
    }

    /// Reads an event from a JSON value.
    ///
    /// # Errors
    /// As [`ExtEvent::parse`].
    pub fn from_value(value: &serde_json::Value) -> Result<Self, LineError> {
        let Some(type_name) = value.get("type").and_then(serde_json::Value::as_str) else {
            return Err(LineError::new("missing field `type`"));
        };
        Self::new(parse_value(type_name, value)?)
    }

    fn new((envelope, body): (Envelope, Body)) -> Result<Self, LineError> {
        if body.source() != Some(Source::Ext) {
            let problem = format!(
                "found {:?}, expected an event of the extension",
                body.type_name()
            );
            return Err(LineError::of_field("type", problem));
        }
        for (field, is_there) in [
            ("seq", envelope.seq.is_some()),
            ("t_ms", envelope.t_ms.is_some()),
            ("src", envelope.src.is_some()),
        ] {
            if is_there {
                return Err(LineError::of_field(
                    field,
                    "the log gives it, not the extension",
                ));
            }
        }
        check_names(&body)?;
        let missing = |field| LineError::new(format!("missing field `{field}`"));
        Ok(Self {
            n: envelope.n.filter(|&n| n > 0).ok_or_else(|| missing("n"))?,
            at_ms: envelope.at_ms.ok_or_else(|| missing("at_ms"))?,
            body,
        })
    }
}

/// Holds what is said of a page to a hostname and a scheme.
fn check_names(body: &Body) -> Result<(), LineError> {
    fn check(host: Option<&str>, scheme: Option<&str>) -> Result<(), LineError> {
        if host.is_some_and(|host| !is_hostname(host)) {
            return Err(LineError::of_field(
                "host",
                "expected a hostname alone: lower case, punycode, no port, path, query or user",
            ));
        }
        if scheme.is_some_and(|scheme| !is_scheme(scheme)) {
            return Err(LineError::of_field(
                "scheme",
                "expected a scheme alone, without \":\"",
            ));
        }
        Ok(())
    }
    let of_tab = |tab: &Tab| check(tab.host.as_deref(), tab.scheme.as_deref());
    match body {
        Body::TabNavigated(it) => check(it.host.as_deref(), it.scheme.as_deref()),
        Body::TabOpened(tab) => of_tab(tab),
        Body::SessionStarted(it) => it.tabs.iter().try_for_each(of_tab),
        _ => Ok(()),
    }
}

/// Whether a text is a hostname as browsers give it: what the URL standard forbids in a domain
/// is not in it, nor are upper case and non-ASCII; an IPv6 address stands in brackets.
pub fn is_hostname(text: &str) -> bool {
    if let Some(address) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_allowed = |byte: u8| {
        byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"#/:<>?@[\\]^|%".contains(&byte)
    };
    !text.is_empty() && text.len() <= 253 && text.bytes().all(is_allowed)
}

/// Whether a text is a scheme alone, without what follows it.
pub fn is_scheme(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        })
}
