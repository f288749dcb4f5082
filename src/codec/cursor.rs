//! A cursor over bytes in memory that checks every read.
//!
//! Fixed-width little-endian integers, u64 lengths, one-byte booleans: the
//! scheme of the legacy files (format page, "Encoding"). Our own formats use
//! the same cursor and add [`varint`](Cursor::varint).

use crate::finding::Code;

/// Why a value could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The value needs this many bytes counted from the cursor's start; with
    /// fewer in the file, the file is truncated.
    Short {
        /// Bytes needed, from the start of the cursor's slice.
        need: usize,
    },
    /// The bytes are there and wrong.
    Bad {
        /// Where, from the start of the cursor's slice.
        at: usize,
        /// What kind of damage.
        code: Code,
        /// The number that was found.
        found: u64,
        /// What must stand there.
        expected: &'static str,
    },
}

/// Reads values one after another from a slice.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, Flaw>;

impl<'a> Cursor<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The bytes not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// A flaw at `at`, with the number found there.
    pub fn bad<T>(at: usize, code: Code, found: u64, expected: &'static str) -> Read<T> {
        Err(Flaw::Bad {
            at,
            code,
            found,
            expected,
        })
    }

    /// Takes `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let need = self.at.saturating_add(len);
        match self.bytes.get(self.at..need) {
            Some(taken) => {
                self.at = need;
                Ok(taken)
            }
            None => Err(Flaw::Short { need }),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        match self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<N>())
        {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(Flaw::Short {
                need: self.at.saturating_add(N),
            }),
        }
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, little endian.
    #[inline]
    pub fn u16(&mut self) -> Read<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, little endian.
    #[inline]
    pub fn u32(&mut self) -> Read<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, little endian.
    #[inline]
    pub fn u64(&mut self) -> Read<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Sixteen bytes, little endian.
    #[inline]
    pub fn u128(&mut self) -> Read<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// Two bytes, little endian, two's complement.
    #[inline]
    pub fn i16(&mut self) -> Read<i16> {
        self.array().map(i16::from_le_bytes)
    }

    /// Eight bytes, little endian, two's complement.
    #[inline]
    pub fn i64(&mut self) -> Read<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// Eight bytes of an IEEE 754 double; every bit is kept.
    #[inline]
    pub fn f64(&mut self) -> Read<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// Sixteen bytes as they stand.
    #[inline]
    pub fn bytes16(&mut self) -> Read<[u8; 16]> {
        self.array()
    }

    /// One byte that must be 0 or 1.
    #[inline]
    pub fn bool(&mut self) -> Read<bool> {
        let at = self.at;
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Self::bad(at, Code::BadBool, other.into(), "0 or 1"),
        }
    }

    /// A u64 length or count that must fit this machine's address space.
    #[inline]
    pub fn length(&mut self) -> Read<usize> {
        let at = self.at;
        let len = self.u64()?;
        usize::try_from(len)
            .or_else(|_| Self::bad(at, Code::BadLength, len, "a length that fits in memory"))
    }

    /// A u64 length and that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Read<&'a [u8]> {
        let len = self.length()?;
        self.take(len)
    }

    /// A u64 length and that many bytes of UTF-8.
    #[inline]
    pub fn str(&mut self) -> Read<&'a str> {
        let bytes = self.bytes()?;
        self.utf8(bytes)
    }

    /// Checks bytes just taken to be UTF-8.
    #[inline]
    pub fn utf8(&self, bytes: &'a [u8]) -> Read<&'a str> {
        std::str::from_utf8(bytes).or_else(|error| {
            let at = self.at - bytes.len() + error.valid_up_to();
            let found = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            Self::bad(at, Code::BadUtf8, found.into(), "valid UTF-8")
        })
    }

    /// One byte 0, or 1 and what `read` reads.
    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.bool()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A u64 count and that many items of at least `min_len` bytes each. The
    /// count is checked against the bytes left before anything is allocated.
    pub fn vec<T>(
        &mut self,
        min_len: usize,
        mut read: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        let count = self.length()?;
        let least = count.saturating_mul(min_len);
        if least > self.remaining() {
            return Err(Flaw::Short {
                need: self.at.saturating_add(least),
            });
        }
        (0..count).map(|_| read(self)).collect()
    }

    /// An unsigned integer of 7 bits a byte, lowest first, at most 10 bytes and
    /// in its shortest form.
    #[inline]
    pub fn varint(&mut self) -> Read<u64> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            let overflows = shift == 63 && bits > 1;
            let padded = byte == 0 && shift > 0;
            if overflows || padded {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Self::bad(
            start,
            Code::BadLength,
            value,
            "a varint of at most 64 bits in its shortest form",
        )
    }

    /// A varint length and that many bytes.
    #[inline]
    pub fn varint_bytes(&mut self) -> Read<&'a [u8]> {
        let at = self.at;
        let len = self.varint()?;
        let len = usize::try_from(len)
            .or_else(|_| Self::bad(at, Code::BadLength, len, "a length that fits in memory"))?;
        self.take(len)
    }

    /// A varint length and that many bytes of UTF-8.
    #[inline]
    pub fn varint_str(&mut self) -> Read<&'a str> {
        let bytes = self.varint_bytes()?;
        self.utf8(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_of_2_to_the_60_is_short_not_an_allocation() {
        let bytes = (1u64 << 60).to_le_bytes();
        let flaw = Cursor::new(&bytes).bytes().unwrap_err();
        assert_eq!(
            flaw,
            Flaw::Short {
                need: 8 + (1 << 60)
            }
        );
        let flaw = Cursor::new(&bytes).vec(8, |c| c.u64()).unwrap_err();
        assert!(matches!(flaw, Flaw::Short { need } if need > 1 << 60));
    }

    #[test]
    fn bool_of_2_names_its_place() {
        let mut cursor = Cursor::new(&[1, 2]);
        assert_eq!(cursor.bool(), Ok(true));
        assert_eq!(
            cursor.bool(),
            Err(Flaw::Bad {
                at: 1,
                code: Code::BadBool,
                found: 2,
                expected: "0 or 1"
            })
        );
    }

    #[test]
    fn bad_utf8_names_the_first_bad_byte() {
        let mut bytes = 3u64.to_le_bytes().to_vec();
        bytes.extend([b'a', 0xff, b'b']);
        let flaw = Cursor::new(&bytes).str().unwrap_err();
        assert!(matches!(
            flaw,
            Flaw::Bad {
                at: 9,
                code: Code::BadUtf8,
                found: 0xff,
                ..
            }
        ));
    }

    #[test]
    fn varint_refuses_padding_and_overflow() {
        assert_eq!(
            Cursor::new(&[0xff; 9]).varint(),
            Err(Flaw::Short { need: 10 })
        );
        assert!(matches!(
            Cursor::new(&[0x80, 0x00]).varint(),
            Err(Flaw::Bad { at: 0, .. })
        ));
        let mut max = [0xff; 10];
        max[9] = 1;
        assert_eq!(Cursor::new(&max).varint(), Ok(u64::MAX));
        max[9] = 2;
        assert!(matches!(Cursor::new(&max).varint(), Err(Flaw::Bad { .. })));
    }
}
