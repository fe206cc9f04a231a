//! Kafka's encoding of requests and answers, as far as the few that are spoken here need it
//! (<https://kafka.apache.org/protocol#protocol_types>): big-endian numbers, and the compact forms of texts and lists (KIP-482), whose
//! lengths are unsigned varints of one more.

/// An answer that does not have the form it should.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The part of an answer that was not read yet.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub(super) fn i8(&mut self) -> Result<i8, Malformed> {
        self.array().map(i8::from_be_bytes)
    }

    pub(super) fn bool(&mut self) -> Result<bool, Malformed> {
        self.i8().map(|byte| byte != 0)
    }

    pub(super) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    fn varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array::<1>()?;
            value |= u32::from(byte & 0x7f).checked_shl(shift).ok_or(Malformed)?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// A length in the compact form; none for what is absent.
    fn length(&mut self) -> Result<Option<usize>, Malformed> {
        let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        Ok(length.checked_sub(1))
    }

    /// A text; absent, where there is none.
    pub(super) fn text(&mut self) -> Result<Option<String>, Malformed> {
        let Some(length) = self.length()? else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(self.take(length)?).into_owned()))
    }

    /// A list of structures, each with its tags behind it.
    pub(super) fn structures<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        self.list(|reader| {
            let value = read(reader)?;
            reader.tags()?;
            Ok(value)
        })
    }

    /// A list.
    pub(super) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let length = self.length()?.unwrap_or(0);
        // What is claimed cannot be more than there are bytes.
        if length > self.0.len() {
            return Err(Malformed);
        }
        (0..length).map(|_| read(self)).collect()
    }

    /// Skips tagged fields, all of which are optional.
    pub(super) fn tags(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
            self.take(length)?;
        }
        Ok(())
    }
}

/// A request under construction.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn i8(&mut self, value: i8) -> &mut Self {
        self.bytes_of(value.to_be_bytes())
    }

    pub(super) fn bool(&mut self, value: bool) -> &mut Self {
        self.i8(i8::from(value))
    }

    pub(super) fn i16(&mut self, value: i16) -> &mut Self {
        self.bytes_of(value.to_be_bytes())
    }

    pub(super) fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes_of(value.to_be_bytes())
    }

    pub(super) fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes_of(value.to_be_bytes())
    }

    fn bytes_of<const N: usize>(&mut self, bytes: [u8; N]) -> &mut Self {
        self.0.extend_from_slice(&bytes);
        self
    }

    fn varint(&mut self, mut value: u32) -> &mut Self {
        while value >= 0x80 {
            let [low, ..] = value.to_le_bytes();
            self.0.push(low | 0x80);
            value >>= 7;
        }
        let [low, ..] = value.to_le_bytes();
        self.0.push(low);
        self
    }

    /// A length in the compact form. What is longer than Kafka takes is cut by nobody: the broker refuses it.
    fn length(&mut self, length: usize) -> &mut Self {
        self.varint(u32::try_from(length).unwrap_or(u32::MAX - 1).saturating_add(1))
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    /// A text in the form before KIP-482, as headers have it.
    pub(super) fn old_text(&mut self, text: &str) -> &mut Self {
        let text = text.get(..text.len().min(255)).unwrap_or_default();
        self.i16(i16::try_from(text.len()).unwrap_or_default());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A list of texts.
    pub(super) fn texts<'t>(&mut self, texts: impl ExactSizeIterator<Item = &'t str>) -> &mut Self {
        let writer = self.length(texts.len());
        texts.fold(writer, |writer, text| writer.text(text))
    }

    /// A list without elements.
    pub(super) fn empty_list(&mut self) -> &mut Self {
        self.varint(1)
    }

    /// How many structures follow.
    pub(super) fn count(&mut self, count: usize) -> &mut Self {
        self.length(count)
    }

    /// No tagged fields.
    pub(super) fn no_tags(&mut self) -> &mut Self {
        self.varint(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_varints_of_one_more() {
        let mut writer = Writer::default();
        writer.text("ab").text("").empty_list().no_tags();
        assert_eq!(writer.0, [3, b'a', b'b', 1, 1, 0]);
        let long = "x".repeat(300);
        let mut writer = Writer::default();
        writer.text(&long);
        assert_eq!(writer.0[..2], [0xad, 0x02]);
        assert_eq!(Reader(&writer.0).text().unwrap().unwrap(), long);
    }

    #[test]
    fn tagged_fields_are_skipped() {
        let mut reader = Reader(&[2, 0, 1, 9, 5, 2, 8, 8, 7]);
        reader.tags().unwrap();
        assert_eq!(reader.i8().unwrap(), 7);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader(&bytes);
            let _ = reader.structures(|reader| Ok((reader.text()?, reader.list(Reader::i32)?)));
            let _ = reader.tags();
        }

        #[test]
        fn what_is_written_is_read(texts in proptest::collection::vec(".{0,200}", 0..200), number in any::<i64>()) {
            let mut writer = Writer::default();
            writer.texts(texts.iter().map(String::as_str)).i64(number).no_tags();
            let mut reader = Reader(&writer.0);
            let read = reader.list(|reader| reader.text()).unwrap();
            prop_assert_eq!(read.into_iter().map(Option::unwrap).collect::<Vec<_>>(), texts);
            prop_assert_eq!(reader.i64().unwrap(), number);
            prop_assert_eq!(reader.tags(), Ok(()));
            prop_assert!(reader.0.is_empty());
        }
    }
}
