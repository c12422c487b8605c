//! DER value by value, borrowed as it came (X.690): for structures that nobody else reads, and the few that are asked.

use x509_parser::asn1_rs::{Any, Class, FromDer};
use x509_parser::time::ASN1Time;

/// Tags of the universal class that are met here.
pub(in crate::net) mod tag {
    pub(in crate::net) const INTEGER: u8 = 0x02;
    pub(in crate::net) const OCTET_STRING: u8 = 0x04;
    pub(in crate::net) const NULL: u8 = 0x05;
    pub(in crate::net) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(in crate::net) const ENUMERATED: u8 = 0x0a;
    pub(in crate::net) const SEQUENCE: u8 = 0x30;
}

/// One value: with its tag and length, and without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    /// As it came.
    pub(super) raw: &'a [u8],
    /// What lies inside.
    pub(super) contents: &'a [u8],
    class: Class,
    number: u32,
}

impl<'a> Value<'a> {
    /// Whether it has the tag of the context class with this number.
    pub(super) fn is_context(&self, number: u32) -> bool {
        self.class == Class::ContextSpecific && self.number == number
    }

    /// Whether it has this tag of the universal class.
    pub(super) fn is(&self, tag: u8) -> bool {
        self.class == Class::Universal && self.number == u32::from(tag & 0x1f)
    }

    /// Whether it is a date, of either kind.
    pub(super) fn is_time(&self) -> bool {
        const UTC_TIME: u8 = 0x17;
        const GENERALIZED_TIME: u8 = 0x18;
        self.is(UTC_TIME) || self.is(GENERALIZED_TIME)
    }

    /// The values inside.
    pub(super) const fn inside(&self) -> Values<'a> {
        Values(self.contents)
    }

    /// A date in Unix seconds.
    pub(super) fn time(&self) -> Option<i64> {
        let (rest, time) = ASN1Time::from_der(self.raw).ok()?;
        rest.is_empty().then(|| time.timestamp())
    }

    /// The bits of a BIT STRING of whole octets.
    pub(super) fn bits(&self) -> Option<&'a [u8]> {
        self.contents.strip_prefix(&[0])
    }
}

/// Values that stand one behind the other.
#[derive(Clone, Debug)]
pub(super) struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    /// The next one if it is wanted; else it stays the next one.
    pub(super) fn next_if(&mut self, wanted: impl FnOnce(&Value<'a>) -> bool) -> Option<Value<'a>> {
        let mut ahead = self.clone();
        let value = ahead.next().filter(wanted)?;
        *self = ahead;
        Some(value)
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let (rest, any) = Any::from_der(self.0).ok()?;
        let raw = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some(Value { raw, contents: any.data, class: any.class(), number: any.tag().0 })
    }
}

/// The values of the one SEQUENCE that these bytes are.
pub(super) fn sequence(bytes: &[u8]) -> Option<Values<'_>> {
    single(bytes).filter(|value| value.is(tag::SEQUENCE)).map(|value| value.inside())
}

/// The one value that these bytes are, with nothing behind it.
pub(super) fn single(bytes: &[u8]) -> Option<Value<'_>> {
    let mut values = Values(bytes);
    let value = values.next()?;
    values.0.is_empty().then_some(value)
}

/// The octets of a number that is not negative, without leading zeros.
pub(in crate::net) fn number(contents: &[u8]) -> &[u8] {
    let zeros = contents.iter().take_while(|octet| **octet == 0).count();
    &contents[zeros..]
}

/// A value of one or more parts.
pub(in crate::net) fn write(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = contents.len().to_be_bytes();
    let length = number(&length);
    let mut der = vec![tag];
    match *length {
        [] => der.push(0),
        [short @ ..=0x7f] => der.push(short),
        _ => {
            der.push(0x80 | u8::try_from(length.len()).unwrap_or(u8::MAX));
            der.extend(length);
        }
    }
    der.extend(contents);
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let inner = vec![7; length];
            let der = write(tag::SEQUENCE, &[&write(tag::OCTET_STRING, &[&inner]), &write(tag::NULL, &[])]);
            let value = single(&der).expect("one value");
            let parts: Vec<_> = value.inside().collect();
            assert!(value.is(tag::SEQUENCE) && parts.len() == 2 && parts[1].is(tag::NULL), "{length}");
            assert_eq!(parts[0].contents, inner);
        }
        assert!(single(&[0x30, 0x00, 0x00]).is_none());
        assert!(single(&[0x30, 0x05, 0x00]).is_none());
        assert_eq!(number(&[0, 0, 3]), [3]);
    }
}
