//! Boxes: a name, a length, a content. [`BoxReader`] knows where in the stream it stands, so that
//! every error can say so; [`BoxWriter`] fills lengths in when a box is complete.

use std::fmt;

use bytes::Bytes;

use super::Mp4Error;

/// The four-character name of a box, a brand or a sample entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            self.0.iter().try_for_each(|byte| write!(out, "{}", char::from(*byte)))
        } else {
            write!(out, "0x{:08x}", u32::from_be_bytes(self.0))
        }
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{self}`")
    }
}

/// The start of a box: its name, and how many bytes header and content have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BoxHead {
    pub(super) name: FourCc,
    pub(super) head_bytes: usize,
    /// Bytes of the whole box; `None` when it lasts to the end of the file.
    pub(super) size: Option<u64>,
}

impl BoxHead {
    /// Reads the head of the box at `offset`. `Ok(None)`: more bytes are needed.
    pub(super) fn decode(data: &[u8], offset: u64) -> Result<Option<Self>, Mp4Error> {
        let Some(head) = data.get(..8) else { return Ok(None) };
        let name = FourCc([head[4], head[5], head[6], head[7]]);
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let (head_bytes, size) = match size {
            0 => return Ok(Some(Self { name, head_bytes: 8, size: None })),
            1 => {
                let Some(large) = data.get(8..16) else { return Ok(None) };
                (16, u64::from_be_bytes(large.try_into().expect("8 bytes were taken")))
            }
            size => (8, u64::from(size)),
        };
        if size < head_bytes as u64 {
            let rule = "must cover the header itself";
            return Err(Mp4Error::Invalid { name, field: "size", value: size, rule, offset });
        }
        Ok(Some(Self { name, head_bytes, size: Some(size) }))
    }
}

/// Reads the content of one box.
#[derive(Debug, Clone)]
pub(super) struct BoxReader {
    pub(super) name: FourCc,
    content: Bytes,
    at: usize,
    /// Where `content` starts in the stream.
    offset: u64,
}

impl BoxReader {
    pub(super) fn new(name: FourCc, content: Bytes, offset: u64) -> Self {
        Self { name, content, at: 0, offset }
    }

    /// Where the next byte stands in the stream.
    pub(super) fn offset(&self) -> u64 {
        self.offset + self.at as u64
    }

    pub(super) fn remaining(&self) -> usize {
        self.content.len() - self.at
    }

    pub(super) fn rest(&mut self) -> Bytes {
        let rest = self.content.slice(self.at..);
        self.at = self.content.len();
        rest
    }

    pub(super) fn skip(&mut self, count: usize, field: &'static str) -> Result<(), Mp4Error> {
        self.array_at(count, field).map(|_| ())
    }

    fn array_at(&mut self, count: usize, field: &'static str) -> Result<&[u8], Mp4Error> {
        if self.remaining() < count {
            return Err(Mp4Error::Truncated { name: self.name, field, offset: self.offset() });
        }
        self.at += count;
        Ok(&self.content[self.at - count..self.at])
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Mp4Error> {
        let taken = self.array_at(N, field)?;
        Ok(taken.try_into().expect("array_at gives as many bytes as asked"))
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, Mp4Error> {
        Ok(self.array::<1>(field)?[0])
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, Mp4Error> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, Mp4Error> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, Mp4Error> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(super) fn four_cc(&mut self, field: &'static str) -> Result<FourCc, Mp4Error> {
        self.array(field).map(FourCc)
    }

    /// Version and flags of a full box.
    pub(super) fn full(&mut self) -> Result<(u8, u32), Mp4Error> {
        let word = self.u32("version and flags")?;
        Ok(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    /// An integer of 64 bits in version 1 and of 32 bits before.
    pub(super) fn by_version(&mut self, version: u8, field: &'static str) -> Result<u64, Mp4Error> {
        if version == 0 { self.u32(field).map(u64::from) } else { self.u64(field) }
    }

    /// The next box inside this one: its raw bytes, header included, and a reader of its content.
    pub(super) fn child(&mut self) -> Result<Option<(Bytes, BoxReader)>, Mp4Error> {
        // Some writers pad containers with fewer bytes than a box head has.
        if self.remaining() < 8 {
            return Ok(None);
        }
        let offset = self.offset();
        let rest = &self.content[self.at..];
        let Some(head) = BoxHead::decode(rest, offset)? else { return Ok(None) };
        let size = head.size.unwrap_or(rest.len() as u64);
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= rest.len())
            .ok_or(Mp4Error::BeyondParent { name: head.name, inside: self.name, size, offset })?;
        let raw = self.content.slice(self.at..self.at + size);
        self.at += size;
        let content = raw.slice(head.head_bytes..);
        let reader = BoxReader::new(head.name, content, offset + head.head_bytes as u64);
        Ok(Some((raw, reader)))
    }

    pub(super) fn invalid(
        &self,
        field: &'static str,
        value: impl Into<u64>,
        rule: &'static str,
    ) -> Mp4Error {
        let (name, value, offset) = (self.name, value.into(), self.offset());
        Mp4Error::Invalid { name, field, value, rule, offset }
    }

    pub(super) fn missing(&self, child: &[u8; 4]) -> Mp4Error {
        Mp4Error::Missing { name: FourCc(*child), inside: self.name, offset: self.offset }
    }
}

/// Writes nested boxes into one buffer.
#[derive(Debug, Default)]
pub(super) struct BoxWriter {
    out: Vec<u8>,
}

impl BoxWriter {
    pub(super) fn put(&mut self, name: &[u8; 4], content: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        self.u32(0);
        self.out.extend_from_slice(name);
        content(self);
        // Boxes written here hold headers or one fragment, both bounded far below 4 GiB.
        let size = u32::try_from(self.out.len() - start).unwrap_or(u32::MAX);
        self.out[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }

    pub(super) fn full(
        &mut self,
        name: &[u8; 4],
        version: u8,
        flags: u32,
        content: impl FnOnce(&mut Self),
    ) {
        self.put(name, |out| {
            out.u32(u32::from(version) << 24 | flags);
            content(out);
        });
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    pub(super) fn zeros(&mut self, count: usize) {
        self.out.resize(self.out.len() + count, 0);
    }

    /// The unity matrix of mvhd and tkhd.
    pub(super) fn matrix(&mut self) {
        for value in [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000] {
            self.u32(value);
        }
    }

    pub(super) fn position(&self) -> usize {
        self.out.len()
    }

    pub(super) fn set_u32(&mut self, at: usize, value: u32) {
        self.out[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub(super) fn finish(self) -> Bytes {
        self.out.into()
    }
}
