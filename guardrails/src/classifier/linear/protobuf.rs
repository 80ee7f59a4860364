//! As much of the protobuf wire format as a small ONNX file needs: fields by number, messages, texts and numbers.

/// The bytes of one message. What is not well formed ends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'m>(pub(super) &'m [u8]);

/// What one field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'m> {
    Number(u64),
    Bytes(&'m [u8]),
    /// Of a width that nothing here asks for.
    Fixed,
}

impl<'m> Message<'m> {
    /// The messages (or bytes) of a field.
    pub(super) fn all(self, field: u64) -> impl Iterator<Item = Message<'m>> {
        self.values(field).filter_map(|value| match value {
            Value::Bytes(bytes) => Some(Message(bytes)),
            Value::Number(_) | Value::Fixed => None,
        })
    }

    pub(super) fn one(self, field: u64) -> Option<Message<'m>> {
        self.all(field).next()
    }

    pub(super) fn texts(self, field: u64) -> Option<Vec<&'m str>> {
        let texts = self.all(field);
        texts.map(|text| std::str::from_utf8(text.0).ok()).collect()
    }

    pub(super) fn one_text(self, field: u64) -> Option<&'m str> {
        std::str::from_utf8(self.one(field)?.0).ok()
    }

    pub(super) fn number(self, field: u64) -> Option<u64> {
        self.numbers(field)?.first().copied()
    }

    /// Repeated numbers, packed or not.
    pub(super) fn numbers(self, field: u64) -> Option<Vec<u64>> {
        let mut numbers = Vec::new();
        for value in self.values(field) {
            match value {
                Value::Number(number) => numbers.push(number),
                Value::Bytes(mut packed) => {
                    while !packed.is_empty() {
                        numbers.push(varint(&mut packed)?);
                    }
                }
                Value::Fixed => return None,
            }
        }
        Some(numbers)
    }

    fn values(self, field: u64) -> impl Iterator<Item = Value<'m>> {
        let mut rest = self.0;
        let fields = std::iter::from_fn(move || next(&mut rest));
        let same = fields.filter(move |(number, _)| *number == field);
        same.map(|(_, value)| value)
    }
}

/// The next field: its number and its value.
fn next<'m>(rest: &mut &'m [u8]) -> Option<(u64, Value<'m>)> {
    let key = varint(rest)?;
    let value = match key & 7 {
        0 => Value::Number(varint(rest)?),
        1 => take(rest, 8).map(|_| Value::Fixed)?,
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Value::Bytes(take(rest, length)?)
        }
        5 => take(rest, 4).map(|_| Value::Fixed)?,
        _ => return None,
    };
    Some((key >> 3, value))
}

fn take<'m>(rest: &mut &'m [u8], length: usize) -> Option<&'m [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

/// Seven bits a byte, the lowest first.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
