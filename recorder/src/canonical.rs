//! Reads the canonical form of a line: what our own writer writes, in its order, at one go.
//!
//! In that form nothing has to be looked for. serde's derive names the fields of each struct in
//! the order in which they are written, so this deserializer expects each key where it must
//! stand: there it reads the value, else the field is absent. The wire types stay the only
//! declaration of what a line looks like.
//!
//! Whatever stands otherwise (another order, white space, an escape, a field or type that is not
//! known, a value out of its range) is given back unread, without a word of why: the
//! general path reads it, or tells what is wrong with it. A line that is read here is read the
//! same there; a property test holds the two to each other.

use std::fmt;

use engine::Seq;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::line::{Line, Source};
use crate::wire::Body;

/// Reads a line, given without its `\n`; `None` where it is not in the canonical form.
pub(crate) fn read(line: &[u8]) -> Option<Line> {
    let mut scanner = Scanner { rest: line };
    scanner.skip(b"{\"type\":")?;
    let type_name = scanner.text()?;
    scanner.skip(b",\"seq\":")?;
    let seq = Seq(scanner.unsigned()?);
    scanner.skip(b",\"t_ms\":")?;
    let t_ms = scanner.signed()?;
    scanner.skip(b",\"src\":")?;
    let src = scanner.word::<Source>()?;
    let n = match scanner.skip(b",\"n\":") {
        Some(()) => Some(scanner.unsigned()?),
        None => None,
    };
    let at_ms = match scanner.skip(b",\"at_ms\":") {
        Some(()) => Some(scanner.signed()?),
        None => None,
    };
    let fields = Value {
        scanner: &mut scanner,
        place: Place::Body,
    };
    let body = Body::read(type_name, fields).ok()?;
    let line = Line {
        seq,
        t_ms,
        src,
        n,
        at_ms,
        body,
    };
    (scanner.rest.is_empty() && line.check().is_ok()).then_some(line)
}

/// What is left of a line. Each function takes what it names from the front, or returns `None`.
struct Scanner<'de> {
    rest: &'de [u8],
}

impl<'de> Scanner<'de> {
    fn skip(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// A field's key, with the comma before it unless it is an object's first.
    fn skip_key(&mut self, name: &str, is_first: bool) -> Option<()> {
        let rest = if is_first {
            self.rest
        } else {
            self.rest.strip_prefix(b",")?
        };
        let rest = rest.strip_prefix(b"\"")?.strip_prefix(name.as_bytes())?;
        self.rest = rest.strip_prefix(b"\":")?;
        Some(())
    }

    /// A string without escapes.
    fn text(&mut self) -> Option<&'de str> {
        let text = self.rest.strip_prefix(b"\"")?;
        let is_end = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < b' ';
        let length = text.iter().position(is_end)?;
        let (text, rest) = text.split_at(length);
        self.rest = rest.strip_prefix(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    /// A string that is one of an enum's names.
    fn word<T: Deserialize<'de>>(&mut self) -> Option<T> {
        T::deserialize(BorrowedStrDeserializer::<Otherwise>::new(self.text()?)).ok()
    }

    fn unsigned(&mut self) -> Option<u64> {
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let mut number = 0_u64;
        let mut length = 0;
        for digit in self.rest.iter().copied().take_while(|byte| is_digit(byte)) {
            number = number
                .checked_mul(10)?
                .checked_add(u64::from(digit - b'0'))?;
            length += 1;
        }
        let has_leading_zero = length > 1 && self.rest[0] == b'0';
        if length == 0 || has_leading_zero {
            return None;
        }
        self.rest = &self.rest[length..];
        // It is whole only if it ends here.
        (!matches!(self.rest.first(), Some(b'.' | b'e' | b'E'))).then_some(number)
    }

    /// A whole number. A negative zero is none: JSON takes it for a fraction.
    fn signed(&mut self) -> Option<i64> {
        match self.skip(b"-") {
            None => i64::try_from(self.unsigned()?).ok(),
            Some(()) => {
                let number = self.unsigned().filter(|&number| number > 0)?;
                0_i64.checked_sub_unsigned(number)
            }
        }
    }

    /// A number, rounded to the nearest that there is, as the general path rounds it.
    fn fraction(&mut self) -> Option<f64> {
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = self.rest;
        let begin = usize::from(text.starts_with(b"-"));
        let mut end = begin + digits(&text[begin..]);
        if end == begin || (text[begin] == b'0' && end > begin + 1) {
            return None;
        }
        if text.get(end) == Some(&b'.') {
            let count = digits(&text[end + 1..]);
            if count == 0 {
                return None;
            }
            end += 1 + count;
        }
        if matches!(text.get(end), Some(b'e' | b'E')) {
            end += 1;
            end += usize::from(matches!(text.get(end), Some(b'+' | b'-')));
            let count = digits(&text[end..]);
            if count == 0 {
                return None;
            }
            end += count;
        }
        let number = std::str::from_utf8(&text[..end]).ok()?;
        let number: f64 = number.parse().ok()?;
        self.rest = &text[end..];
        number.is_finite().then_some(number)
    }
}

/// A line, or a part of it, that is not in the canonical form.
#[derive(Debug)]
struct Otherwise;

impl fmt::Display for Otherwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not in the canonical form")
    }
}

impl std::error::Error for Otherwise {}

impl de::Error for Otherwise {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
enum Place {
    /// It is the rest of a line: fields alone, each after a comma, and the closing brace.
    Body,
    /// Behind its key.
    Field { name: &'static str, is_first: bool },
    /// Right here.
    Here,
}

/// A value that is to be read.
struct Value<'a, 'de> {
    scanner: &'a mut Scanner<'de>,
    place: Place,
}

impl<'a, 'de> Value<'a, 'de> {
    /// Comes to where the value itself begins.
    fn enter(self) -> Result<&'a mut Scanner<'de>, Otherwise> {
        match self.place {
            Place::Field { name, is_first } => {
                self.scanner.skip_key(name, is_first).ok_or(Otherwise)?;
            }
            Place::Here => {}
            // Only a struct can be the rest of a line.
            Place::Body => return Err(Otherwise),
        }
        Ok(self.scanner)
    }
}

/// The methods that read a number of one kind.
macro_rules! numbers {
    ($($method:ident: $read:ident, $visit:ident;)+) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
            visitor.$visit(self.enter()?.$read().ok_or(Otherwise)?)
        }
    )+ };
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Otherwise;

    numbers! {
        deserialize_u8: unsigned, visit_u64;
        deserialize_u16: unsigned, visit_u64;
        deserialize_u32: unsigned, visit_u64;
        deserialize_u64: unsigned, visit_u64;
        deserialize_i64: signed, visit_i64;
        deserialize_f64: fraction, visit_f64;
    }

    /// What may be anything is nothing that has one canonical form.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Otherwise> {
        Err(Otherwise)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
        let scanner = self.enter()?;
        if scanner.skip(b"true").is_some() {
            visitor.visit_bool(true)
        } else {
            scanner.skip(b"false").ok_or(Otherwise)?;
            visitor.visit_bool(false)
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
        visitor.visit_borrowed_str(self.enter()?.text().ok_or(Otherwise)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
        let Place::Field { name, is_first } = self.place else {
            return Err(Otherwise);
        };
        if self.scanner.skip_key(name, is_first).is_none() || self.scanner.skip(b"null").is_some() {
            return visitor.visit_none();
        }
        visitor.visit_some(Value {
            place: Place::Here,
            ..self
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Otherwise> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Otherwise> {
        let name = self.enter()?.text().ok_or(Otherwise)?;
        visitor.visit_enum(BorrowedStrDeserializer::new(name))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
        let scanner = self.enter()?;
        scanner.skip(b"[").ok_or(Otherwise)?;
        visitor.visit_seq(Elements {
            scanner,
            is_first: true,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Otherwise> {
        let is_body = matches!(self.place, Place::Body);
        let scanner = if is_body {
            self.scanner
        } else {
            let scanner = self.enter()?;
            scanner.skip(b"{").ok_or(Otherwise)?;
            scanner
        };
        let begin = scanner.rest.len();
        let value = visitor.visit_seq(Fields {
            scanner: &mut *scanner,
            names,
            // Nothing stands before an object's first field; before a body's the envelope does.
            begin: (!is_body).then_some(begin),
        })?;
        scanner.skip(b"}").ok_or(Otherwise)?;
        Ok(value)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct map
        identifier ignored_any
    }
}

/// The fields of a struct, in the order in which they are declared and written.
struct Fields<'a, 'de> {
    scanner: &'a mut Scanner<'de>,
    names: &'static [&'static str],
    /// How much was left where the first field is to stand; `None` where there is no first.
    begin: Option<usize>,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Otherwise;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Otherwise> {
        let (&name, names) = self.names.split_first().ok_or(Otherwise)?;
        self.names = names;
        let is_first = self.begin == Some(self.scanner.rest.len());
        let field = Value {
            scanner: &mut *self.scanner,
            place: Place::Field { name, is_first },
        };
        seed.deserialize(field).map(Some)
    }
}

/// The elements of a list.
struct Elements<'a, 'de> {
    scanner: &'a mut Scanner<'de>,
    is_first: bool,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Otherwise;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Otherwise> {
        if self.scanner.skip(b"]").is_some() {
            return Ok(None);
        }
        if !std::mem::take(&mut self.is_first) {
            self.scanner.skip(b",").ok_or(Otherwise)?;
        }
        let element = Value {
            scanner: &mut *self.scanner,
            place: Place::Here,
        };
        seed.deserialize(element).map(Some)
    }
}
