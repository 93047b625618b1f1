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
use std::marker::PhantomData;

use engine::Seq;
use serde::de::value::BorrowedBytesDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::line::{Line, Source};

/// Reads a line, given without its `\n`, in the place of another; `None` where it is not in the
/// canonical form. What is in the place then says nothing.
#[inline(always)]
pub(crate) fn read(text: &[u8], line: &mut Line) -> Option<()> {
    let mut scanner = Scanner { rest: text };
    scanner.skip(b"{\"type\":")?;
    let type_name = scanner.text()?;
    scanner.skip(b",\"seq\":")?;
    line.seq = Seq(scanner.unsigned()?);
    scanner.skip(b",\"t_ms\":")?;
    line.t_ms = scanner.signed()?;
    scanner.skip(b",\"src\":\"")?;
    line.src = scanner.source()?;
    line.n = match scanner.skip(b",\"n\":") {
        Some(()) => Some(scanner.unsigned()?),
        None => None,
    };
    line.at_ms = match scanner.skip(b",\"at_ms\":") {
        Some(()) => Some(scanner.signed()?),
        None => None,
    };
    let fields = Value {
        scanner: &mut scanner,
        place: Place::Body,
    };
    line.body.read(type_name, fields).ok()?;
    (scanner.rest.is_empty() && line.check().is_ok()).then_some(())
}

/// Whose name may stand on a line.
const SOURCES: [Source; 3] = [Source::Ext, Source::Host, Source::Engine];

/// The powers of ten that as many digits are worth.
const POWERS: [u64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// Returns the number that the digits at the front of eight bytes make, and how many they are.
/// Where there are none, it is no number of theirs.
///
/// All are looked at and put together at once: in pairs, then fours, then all eight.
#[inline(always)]
fn leading_digits(text: [u8; 8]) -> (u64, usize) {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const TO_HIGH: u64 = 0x7676_7676_7676_7676;
    // A digit is 0 to 9 then, and anything else 10 or more, which the sum takes to the high bit.
    let values = u64::from_le_bytes(text) ^ ZEROS;
    let others = (values.wrapping_add(TO_HIGH) | values) & HIGH;
    let count = others.trailing_zeros() / 8;
    // What is behind them goes, and zeros come before them. (The shift is taken modulo 64.)
    let digits = values.wrapping_shl((8 * count).wrapping_neg());
    let pairs = digits.wrapping_mul(1 + (10 << 8)) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(1 + (100 << 16)) >> 16 & 0x0000_ffff_0000_ffff;
    let number = fours.wrapping_mul(1 + (10_000 << 32)) >> 32;
    (number, count as usize)
}

/// Returns how many bytes from the front are printable ASCII and neither `"` nor `\`, at the
/// least: there may be more of them behind.
#[inline(always)]
fn plain_bytes(text: [u8; 8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let text = u64::from_le_bytes(text);
    // The high bit of a byte tells that it is 0 (or, behind a byte that is, that it may be).
    let zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let quote = zero(text ^ (ONES * u64::from(b'"')));
    let backslash = zero(text ^ (ONES * u64::from(b'\\')));
    let control = text.wrapping_sub(ONES * u64::from(b' ')) & !text;
    ((quote | backslash | control | text) & HIGH).trailing_zeros() as usize / 8
}

/// Whether two short texts of one length are the same: a call of `memcmp` takes longer.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    fn ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
        a.first_chunk::<N>() == b.first_chunk() && a.last_chunk::<N>() == b.last_chunk()
    }
    match a.len() {
        0..4 => a.iter().eq(b),
        4..=8 => ends::<4>(a, b),
        9..=16 => ends::<8>(a, b),
        _ => a == b,
    }
}

/// What is left of a line. Each function takes what it names from the front, or returns `None`.
///
/// All are compiled into where they are called, where what is looked for is known: a key is
/// compared as a few words then, and not byte by byte.
struct Scanner<'de> {
    rest: &'de [u8],
}

impl<'de> Scanner<'de> {
    #[inline(always)]
    fn skip<const N: usize>(&mut self, text: &[u8; N]) -> Option<()> {
        let (first, rest) = self.rest.split_first_chunk::<N>()?;
        (first == text).then(|| self.rest = rest)
    }

    /// A field's key, with the comma before it unless it is an object's first.
    #[inline(always)]
    fn skip_key(&mut self, name: &str, is_first: bool) -> Option<()> {
        let rest = match is_first {
            true => self.rest,
            false => self.rest.strip_prefix(b",")?,
        };
        let (key, rest) = rest.split_at_checked(1 + name.len() + 2)?;
        let (found, end) = key[1..].split_at(name.len());
        let is_key = key[0] == b'"' && end == b"\":" && is_same(found, name.as_bytes());
        is_key.then(|| self.rest = rest)
    }

    /// The bytes of a string without escapes.
    #[inline(always)]
    fn text(&mut self) -> Option<&'de [u8]> {
        self.skip(b"\"")?;
        let mut length = 0;
        while let Some(&next) = self.rest[length..].first_chunk() {
            let count = plain_bytes(next);
            length += count;
            if count < 8 {
                break;
            }
        }
        let is_end = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < b' ';
        length += self.rest[length..].iter().position(is_end)?;
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    /// What is left of a string behind its first quotation mark, if it is this word.
    #[inline(always)]
    fn skip_word(&mut self, word: &str) -> Option<()> {
        let (found, rest) = self.rest.split_at_checked(word.len())?;
        let rest = rest.strip_prefix(b"\"")?;
        is_same(found, word.as_bytes()).then(|| self.rest = rest)
    }

    /// One of the sources. (A search by `find` is not compiled into here.)
    #[inline(always)]
    fn source(&mut self) -> Option<Source> {
        for source in &SOURCES {
            if self.skip_word(source.name()).is_some() {
                return Some(*source);
            }
        }
        None
    }

    /// Digits, as a number that they do not overflow, and how many there are.
    #[inline(always)]
    fn digits(&self) -> Option<(u64, usize)> {
        if let Some((&first, rest)) = self.rest.split_first_chunk() {
            let (number, count) = leading_digits(first);
            if count < 8 {
                return Some((number, count));
            }
            if let Some(&next) = rest.first_chunk() {
                match leading_digits(next) {
                    (_, 0) => return Some((number, 8)),
                    (more, count @ 1..8) => {
                        return Some((number * POWERS[count] + more, 8 + count));
                    }
                    _ => {}
                }
            }
        }
        self.any_digits()
    }

    fn any_digits(&self) -> Option<(u64, usize)> {
        let mut number = 0_u64;
        let mut count = 0;
        while let Some(digit) = self.rest.get(count).filter(|byte| byte.is_ascii_digit()) {
            number = (number.checked_mul(10)?).checked_add(u64::from(digit - b'0'))?;
            count += 1;
        }
        Some((number, count))
    }

    /// A number that is whole: where a point or an exponent follows, nothing is found that has to
    /// follow a number.
    #[inline(always)]
    fn unsigned(&mut self) -> Option<u64> {
        let (number, count) = self.digits()?;
        let has_leading_zero = count > 1 && self.rest[0] == b'0';
        if count == 0 || has_leading_zero {
            return None;
        }
        self.rest = &self.rest[count..];
        Some(number)
    }

    /// A whole number. A negative zero is none: JSON takes it for a fraction.
    #[inline(always)]
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
    #[inline(always)]
    fn fraction(&mut self) -> Option<f64> {
        match self.short_fraction() {
            Some(number) => Some(number),
            None => self.any_fraction(),
        }
    }

    /// A number of few digits, some of them behind a point, without an exponent. Both its digits
    /// and the power of ten are exact as floating point, so that their quotient is rounded once, to
    /// the nearest that there is. (Clinger, How to read floating point numbers accurately, 1990.)
    #[inline(always)]
    fn short_fraction(&mut self) -> Option<f64> {
        let begin = usize::from(self.rest.first() == Some(&b'-'));
        let (whole, count) = self.few_digits(begin)?;
        if self.rest[begin] == b'0' && count > 1 {
            return None;
        }
        let point = begin + count;
        let (behind, count) = self.few_digits(point + 1)?;
        let end = point + 1 + count;
        if self.rest[point] != b'.' || matches!(self.rest.get(end), Some(b'e' | b'E')) {
            return None;
        }
        self.rest = &self.rest[end..];
        let power = POWERS[count];
        let number = (whole * power + behind).cast_signed() as f64 / power.cast_signed() as f64;
        Some(if begin == 1 { -number } else { number })
    }

    /// One to seven digits, as a number, and how many there are. Fourteen are exact as floating
    /// point.
    #[inline(always)]
    fn few_digits(&self, from: usize) -> Option<(u64, usize)> {
        let (number, count) = leading_digits(*self.rest.get(from..)?.first_chunk()?);
        matches!(count, 1..8).then_some((number, count))
    }

    fn any_fraction(&mut self) -> Option<f64> {
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
    /// Right here, behind its key where it has one.
    Here,
    /// Nowhere: the field's key does not stand where it would have to.
    Absent,
}

/// A value that is to be read.
struct Value<'a, 'de> {
    scanner: &'a mut Scanner<'de>,
    place: Place,
}

impl<'a, 'de> Value<'a, 'de> {
    /// Comes to where the value itself begins.
    #[inline(always)]
    fn enter(self) -> Result<&'a mut Scanner<'de>, Otherwise> {
        match self.place {
            Place::Here => Ok(self.scanner),
            // Only a struct can be the rest of a line.
            Place::Body | Place::Absent => Err(Otherwise),
        }
    }
}

/// The methods that read a number of one kind.
macro_rules! numbers {
    ($($method:ident: $read:ident, $visit:ident;)+) => { $(
        #[inline(always)]
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

    #[inline(always)]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
        let scanner = self.enter()?;
        if scanner.skip(b"true").is_some() {
            visitor.visit_bool(true)
        } else {
            scanner.skip(b"false").ok_or(Otherwise)?;
            visitor.visit_bool(false)
        }
    }

    #[inline(always)]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
        let text = self.enter()?.text().ok_or(Otherwise)?;
        visitor.visit_borrowed_str(str::from_utf8(text).map_err(|_| Otherwise)?)
    }

    #[inline(always)]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
        self.deserialize_str(visitor)
    }

    #[inline(always)]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
        if matches!(self.place, Place::Absent) || self.scanner.skip(b"null").is_some() {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    #[inline(always)]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Otherwise> {
        visitor.visit_newtype_struct(self)
    }

    #[inline(always)]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Otherwise> {
        let name = self.enter()?.text().ok_or(Otherwise)?;
        visitor.visit_enum(Word(name))
    }

    #[inline(always)]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Otherwise> {
        let scanner = self.enter()?;
        scanner.skip(b"[").ok_or(Otherwise)?;
        visitor.visit_seq(Elements {
            scanner,
            is_first: true,
        })
    }

    #[inline(always)]
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

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Otherwise> {
        let (&name, names) = self.names.split_first().ok_or(Otherwise)?;
        self.names = names;
        let is_first = self.begin == Some(self.scanner.rest.len());
        // Here it is known which key that is. Where the value is read it is not.
        let place = match self.scanner.skip_key(name, is_first) {
            Some(()) => Place::Here,
            None => Place::Absent,
        };
        let scanner = &mut *self.scanner;
        seed.deserialize(Value { scanner, place }).map(Some)
    }

    #[inline(always)]
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, Otherwise> {
        self.next_element_seed(PhantomData)
    }
}

/// The name of an enum's variant, which has nothing beside it.
struct Word<'de>(&'de [u8]);

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = Otherwise;
    type Variant = Self;

    #[inline(always)]
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Otherwise> {
        // As bytes: what is no UTF-8 is no name either.
        let name = BorrowedBytesDeserializer::new(self.0);
        seed.deserialize(name).map(|variant| (variant, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'de> {
    type Error = Otherwise;

    #[inline(always)]
    fn unit_variant(self) -> Result<(), Otherwise> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Otherwise> {
        Err(Otherwise)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Otherwise> {
        Err(Otherwise)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Otherwise> {
        Err(Otherwise)
    }
}

/// The elements of a list.
struct Elements<'a, 'de> {
    scanner: &'a mut Scanner<'de>,
    is_first: bool,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Otherwise;

    #[inline(always)]
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
