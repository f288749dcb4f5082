//! The counterpart of the cursor: appends values to a buffer.

/// Appends values in the scheme that [`Cursor`](super::Cursor) reads.
#[derive(Debug, Default)]
pub struct ByteWriter {
    bytes: Vec<u8>,
}

impl ByteWriter {
    /// An empty buffer.
    pub fn new() -> Self {
        ByteWriter::default()
    }

    /// What was written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets what was written and keeps the allocation.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Takes back what was written after the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Writes eight bytes over those at an offset, which are there.
    pub fn put_u64(&mut self, at: usize, value: u64) {
        let there = self.bytes.get_mut(at..).and_then(|b| b.first_chunk_mut());
        if let Some(there) = there {
            *there = value.to_le_bytes();
        }
    }

    /// Gives the buffer away.
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes as they stand.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two bytes, little endian.
    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    /// Four bytes, little endian.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// Eight bytes, little endian.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// Sixteen bytes, little endian.
    pub fn u128(&mut self, value: u128) {
        self.raw(&value.to_le_bytes());
    }

    /// Two bytes, two's complement.
    pub fn i16(&mut self, value: i16) {
        self.raw(&value.to_le_bytes());
    }

    /// Eight bytes, two's complement.
    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_le_bytes());
    }

    /// The eight bytes of a double.
    pub fn f64(&mut self, value: f64) {
        self.raw(&value.to_le_bytes());
    }

    /// One byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.u8(value.into());
    }

    /// A length or count as u64.
    pub fn count(&mut self, len: usize) {
        // usize is at most 64 bits on every platform that Rust supports.
        self.u64(u64::try_from(len).unwrap_or(u64::MAX));
    }

    /// A u64 length and the bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    /// A u64 length and the text.
    pub fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// An unsigned integer of 7 bits a byte, lowest first, in its shortest form.
    #[inline]
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.u8((value & 0x7f) as u8);
    }

    /// A varint length and the bytes.
    pub fn varint_bytes(&mut self, bytes: &[u8]) {
        self.varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.raw(bytes);
    }
}

impl From<Vec<u8>> for ByteWriter {
    /// Goes on behind bytes that are there, in their allocation.
    fn from(bytes: Vec<u8>) -> Self {
        ByteWriter { bytes }
    }
}
