//! One line of the log: its envelope and its body, read from bytes and written to them.
//!
//! The type stands first on a line, so that one pass suffices: it decides the struct, and the
//! envelope's fields are picked out on the way to it. (serde's own means for this, internally
//! tagged enums and `flatten`, keep every field in a buffer first and cost 2.5 times as much.)
//! A line whose type stands elsewhere is read as well, in two passes; one that stands as it is
//! written here is read faster, in `canonical`.

use std::borrow::Cow;
use std::fmt;

use engine::Seq;
use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::canonical;
use crate::wire::Body;

/// The longest line, in bytes, its `\n` included.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// A line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its place in the trace.
    pub seq: Seq,
    /// The log's time in Unix milliseconds, which never decreases.
    pub t_ms: i64,
    /// Who observed it.
    pub src: Source,
    /// The extension's own counter; on `ext` lines only.
    pub n: Option<u64>,
    /// The extension's clock when it happened; on `ext` lines only.
    pub at_ms: Option<i64>,
    /// What it says.
    pub body: Body,
}

/// Who observed what a line says.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The extension.
    Ext,
    /// The native host, or what stands in for it.
    Host,
    /// The engine.
    Engine,
}

impl Source {
    /// Returns the word that stands on the line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext => "ext",
            Self::Host => "host",
            Self::Engine => "engine",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct LineError {
    /// The column, from 1, where it can be told.
    pub column: Option<usize>,
    /// The field, where it is one.
    pub field: Option<String>,
    /// What was found and what was expected.
    pub problem: String,
}

impl LineError {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self {
            column: None,
            field: None,
            problem: problem.into(),
        }
    }

    pub(crate) fn of_field(field: &str, problem: impl Into<String>) -> Self {
        Self {
            field: Some(field.to_owned()),
            ..Self::new(problem)
        }
    }

    fn from_json(error: &serde_json::Error, field: Option<String>) -> Self {
        let text = error.to_string();
        let problem = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(problem, _)| problem);
        let column = (error.line() > 0).then(|| error.column());
        Self {
            column,
            field,
            problem: problem.to_owned(),
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = self.column {
            write!(f, "column {column}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.problem)
    }
}

/// A place for a line, and no line.
impl Default for Line {
    fn default() -> Self {
        Self {
            seq: Seq(0),
            t_ms: 0,
            src: Source::Host,
            n: None,
            at_ms: None,
            body: Body::default(),
        }
    }
}

impl Line {
    /// Reads a line, given without its `\n`.
    ///
    /// Unknown fields are passed over; a line of an unknown type becomes [`Body::Unknown`].
    ///
    /// # Errors
    /// What is wrong with it: no UTF-8, no JSON object, a missing field, a value that the field
    /// cannot hold, a source that the type does not have.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        let mut parsed = Self::default();
        parsed.parse_over(line)?;
        Ok(parsed)
    }

    /// Reads a line in the place of one that is not needed any more, which saves moving it.
    ///
    /// # Errors
    /// As [`Line::parse`]. What is in the place then says nothing.
    pub fn parse_over(&mut self, line: &[u8]) -> Result<(), LineError> {
        if canonical::read(line, self).is_none() {
            *self = Self::parse_general(line)?;
        }
        Ok(())
    }

    /// Reads a line that stands in its canonical form, as [`Line::write`] writes it. It is much
    /// faster than [`Line::parse_general`], and says the same or nothing.
    ///
    /// Escapes and types that are not known have no place in that form.
    #[inline]
    pub fn parse_canonical(line: &[u8]) -> Option<Self> {
        let mut parsed = Self::default();
        canonical::read(line, &mut parsed)?;
        Some(parsed)
    }

    /// Reads a line in any order of its fields, with any spacing.
    ///
    /// # Errors
    /// As [`Line::parse`].
    pub fn parse_general(line: &[u8]) -> Result<Self, LineError> {
        let (envelope, body) = parse_object(line)?;
        let missing = |field| LineError::new(format!("missing field `{field}`"));
        let line = Self {
            seq: envelope.seq.ok_or_else(|| missing("seq"))?,
            t_ms: envelope.t_ms.ok_or_else(|| missing("t_ms"))?,
            src: envelope.src.ok_or_else(|| missing("src"))?,
            n: envelope.n,
            at_ms: envelope.at_ms,
            body,
        };
        line.check()?;
        Ok(line)
    }

    /// Appends the line to `out` in its canonical form, `\n` included: the type, the envelope, the
    /// fields in the order of the wire types, nothing that is not known, no white space.
    ///
    /// Of a [`Body::Unknown`] only the envelope is left to write.
    pub fn write(&self, out: &mut Vec<u8>) {
        let proof = "a Vec takes every write, and wire types are structs with string keys";
        if let Some(head) = self.body.head() {
            push(out, [head]);
        } else {
            push(out, ["{\"type\":"]);
            serde_json::to_writer(&mut *out, self.body.type_name()).expect(proof);
            push(out, [",\"seq\":"]);
        }
        let (mut digits, mut of_time) = (itoa::Buffer::new(), itoa::Buffer::new());
        let t_ms = of_time.format(self.t_ms);
        push(out, [digits.format(self.seq.0), ",\"t_ms\":", t_ms]);
        push(out, [",\"src\":\"", self.src.name(), "\""]);
        if let Some(n) = self.n {
            push(out, [",\"n\":", digits.format(n)]);
        }
        if let Some(at_ms) = self.at_ms {
            // Where nothing waited the two are the same.
            let is_now = at_ms == self.t_ms;
            let at_ms = if is_now { t_ms } else { digits.format(at_ms) };
            push(out, [",\"at_ms\":", at_ms]);
        }
        self.body.write_fields(out).expect(proof);
        out.extend_from_slice(b"}\n");
    }

    /// Checks what the fields of the envelope must be to each other.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), LineError> {
        if let Some(expected) = self.body.source().filter(|&source| source != self.src) {
            let problem = format!(
                "found {:?}, expected {:?} for a {}",
                self.src.name(),
                expected.name(),
                self.body.type_name()
            );
            return Err(LineError::of_field("src", problem));
        }
        if self.n == Some(0) {
            return Err(LineError::of_field(
                "n",
                "found 0, expected a number from 1",
            ));
        }
        if self.src != Source::Ext {
            for (field, is_there) in [("n", self.n.is_some()), ("at_ms", self.at_ms.is_some())] {
                if is_there {
                    let problem = format!(
                        "found on a line of {:?}, expected on \"ext\" lines only",
                        self.src.name()
                    );
                    return Err(LineError::of_field(field, problem));
                }
            }
        }
        Ok(())
    }
}

fn push<const N: usize>(out: &mut Vec<u8>, texts: [&str; N]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

/// The fields that any line may have beside its type, as far as they were there.
#[derive(Default)]
pub(crate) struct Envelope {
    pub(crate) seq: Option<Seq>,
    pub(crate) t_ms: Option<i64>,
    pub(crate) src: Option<Source>,
    pub(crate) n: Option<u64>,
    pub(crate) at_ms: Option<i64>,
}

/// Reads a JSON value of a type of line.
pub(crate) fn parse_value(
    type_name: &str,
    value: &serde_json::Value,
) -> Result<(Envelope, Body), LineError> {
    let mut failed = None;
    let parts = LineVisitor {
        type_name: Some(type_name),
        failed: &mut failed,
    };
    parts
        .read(value)
        .map_err(|error| LineError::from_json(&error, failed))
}

/// Reads an object of any type of line.
pub(crate) fn parse_object(line: &[u8]) -> Result<(Envelope, Body), LineError> {
    let text = std::str::from_utf8(line).map_err(|error| LineError {
        column: Some(error.valid_up_to() + 1),
        ..LineError::new("found bytes that are no UTF-8")
    })?;
    if text.is_empty() {
        return Err(LineError::new("found an empty line"));
    }
    if text.starts_with('\u{feff}') {
        return Err(LineError::new("found a byte order mark, expected \"{\""));
    }
    if text.ends_with(['\r', '\n']) {
        return Err(LineError::new(
            "found a line end of another kind, expected \\n alone",
        ));
    }
    if !text.trim_start().starts_with('{') {
        return Err(LineError::new("found no JSON object, expected \"{\""));
    }
    let mut failed = None;
    let type_name = if text.starts_with("{\"type\":") {
        None
    } else {
        let head: Head<'_> =
            serde_json::from_str(text).map_err(|error| LineError::from_json(&error, None))?;
        Some(head.type_name.0)
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let parts = LineVisitor {
        type_name: type_name.as_deref(),
        failed: &mut failed,
    };
    parts
        .read(&mut json)
        .and_then(|parts| json.end().map(|()| parts))
        .map_err(|error| LineError::from_json(&error, failed))
}

/// What must be known of a line whose type does not stand first.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    type_name: Text<'a>,
}

/// A string that is copied only if it has escapes in it. (`Cow<str>` itself is always copied.)
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Reads an object: its type, then the struct that goes with it, the envelope on the way.
struct LineVisitor<'a> {
    /// The type, where it is known already; else it stands first.
    type_name: Option<&'a str>,
    /// Where to tell the field whose value could not be read.
    failed: &'a mut Option<String>,
}

impl LineVisitor<'_> {
    fn read<'de, D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<(Envelope, Body), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LineVisitor<'_> {
    type Value = (Envelope, Body);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let first = match self.type_name {
            Some(_) => None,
            None => map.next_entry::<Text<'de>, Text<'de>>().inspect_err(|_| {
                *self.failed = Some("type".to_owned());
            })?,
        };
        let type_name = match (self.type_name, &first) {
            (Some(type_name), _) => type_name,
            (None, Some((_, value))) => &value.0,
            (None, None) => return Err(de::Error::missing_field("type")),
        };
        let mut fields = Fields {
            map,
            envelope: Envelope::default(),
            type_seen: first.is_some(),
            key: Cow::Borrowed(""),
            failed: self.failed,
        };
        let mut body = Body::default();
        body.read(
            type_name.as_bytes(),
            MapAccessDeserializer::new(&mut fields),
        )?;
        Ok((fields.envelope, body))
    }
}

/// The fields of an object, less those of the envelope, which are kept aside as they pass.
struct Fields<'de, 'a, A> {
    map: A,
    envelope: Envelope,
    type_seen: bool,
    key: Cow<'de, str>,
    failed: &'a mut Option<String>,
}

impl<'de, A: MapAccess<'de>> Fields<'de, '_, A> {
    /// Reads the value of an envelope's field; null is as good as absent.
    fn keep<T: Deserialize<'de>>(
        map: &mut A,
        failed: &mut Option<String>,
        name: &'static str,
        place: &mut Option<T>,
    ) -> Result<(), A::Error> {
        if place.is_some() {
            return Err(de::Error::duplicate_field(name));
        }
        *place = map
            .next_value()
            .inspect_err(|_| *failed = Some(name.to_owned()))?;
        Ok(())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'de, '_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let Self {
            map,
            envelope,
            failed,
            ..
        } = self;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            match &*key {
                "type" => {
                    if std::mem::replace(&mut self.type_seen, true) {
                        return Err(de::Error::duplicate_field("type"));
                    }
                    map.next_value::<IgnoredAny>()?;
                }
                "seq" => Self::keep(map, failed, "seq", &mut envelope.seq)?,
                "t_ms" => Self::keep(map, failed, "t_ms", &mut envelope.t_ms)?,
                "src" => Self::keep(map, failed, "src", &mut envelope.src)?,
                "n" => Self::keep(map, failed, "n", &mut envelope.n)?,
                "at_ms" => Self::keep(map, failed, "at_ms", &mut envelope.at_ms)?,
                _ => {
                    self.key = key;
                    let key: CowStrDeserializer<'_, A::Error> =
                        de::IntoDeserializer::into_deserializer(Cow::Borrowed(&*self.key));
                    return seed.deserialize(key).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map
            .next_value_seed(seed)
            .inspect_err(|_| *self.failed = Some(self.key.clone().into_owned()))
    }
}
