//! Little-endian writing and total reading of the bytes that a compiled rule set is made of.
//!
//! Reading never panics: past the end there are zeros and empty slices. What they could mean wrongly is excluded once, when a
//! file is opened; here they only have to be harmless.

/// Appends values to a byte vector.
pub(crate) trait Put {
    fn put_u8(&mut self, value: u8);
    fn put_u16(&mut self, value: u16);
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
    fn put_i64(&mut self, value: i64) {
        self.put_u64(value as u64);
    }
    /// A length of four bytes, then the bytes.
    fn put_bytes(&mut self, bytes: &[u8]);
}

impl Put for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_u32(bytes.len() as u32);
        self.extend_from_slice(bytes);
    }
}

#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[inline]
pub(crate) fn slice(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    at.checked_add(len).and_then(|end| bytes.get(at..end)).unwrap_or_default()
}

/// Reads values one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether anything was read past the end.
    overrun: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0, overrun: false }
    }

    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        match self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end)) {
            Some(slice) => {
                self.at += len;
                slice
            }
            None => {
                self.overrun = true;
                self.at = self.bytes.len();
                &[]
            }
        }
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }
    pub(crate) fn u16(&mut self) -> u16 {
        u16_at(self.take(2), 0)
    }
    pub(crate) fn u32(&mut self) -> u32 {
        u32_at(self.take(4), 0)
    }
    pub(crate) fn u64(&mut self) -> u64 {
        u64_at(self.take(8), 0)
    }
    pub(crate) fn i64(&mut self) -> i64 {
        self.u64() as i64
    }
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = self.u32() as usize;
        self.take(len)
    }
    pub(crate) fn str(&mut self) -> &'a str {
        match std::str::from_utf8(self.bytes()) {
            Ok(text) => text,
            Err(_) => {
                self.overrun = true;
                ""
            }
        }
    }
    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }
    /// Whether all that was read was there.
    pub(crate) fn is_sound(&self) -> bool {
        !self.overrun
    }
}
