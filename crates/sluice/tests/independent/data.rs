//! Data streams and datagrams by `moqtap-codec`, for every draft that it and the relay speak.

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use moqtap_client::transport::{RecvStream, SendStream, Transport, TransportError};
use moqtap_codec::data_dispatch::{
    AnyFetchEndOfRange, AnyFetchGroupOrder, AnyFetchObjectReader, AnySubgroupObject,
    AnySubgroupObjectReader, AnySubgroupObjectWriter,
};
use moqtap_codec::dispatch::{AnyDatagramHeader, AnyFetchHeader, AnySubgroupHeader};
use moqtap_codec::error::CodecError;
use moqtap_codec::varint::VarInt;
use moqtap_codec::version::DraftVersion;
use moqtap_codec::{
    draft14, draft15, draft16, draft17, draft18, draft19, draft20, draft21, draft22,
};

use super::object::{Object, decode_properties, encode_properties};

/// What the header of a subgroup stream says.
#[derive(Clone, Copy, Debug)]
pub struct Subgroup {
    /// Track alias.
    pub alias: u64,
    /// Group.
    pub group: u64,
    /// Subgroup.
    pub subgroup: u64,
    /// Whether the id is left out because it is the first object's.
    pub named_by_first: bool,
    /// Whether the stream ends the group.
    pub ends_group: bool,
    /// Publisher priority.
    pub priority: u8,
}

impl Subgroup {
    fn header(self, draft: DraftVersion) -> Result<AnySubgroupHeader> {
        let (alias, group) = (VarInt::from_u64(self.alias)?, VarInt::from_u64(self.group)?);
        let subgroup = VarInt::from_u64(self.subgroup)?;
        macro_rules! flags {
            ($variant:ident, $module:ident) => {
                AnySubgroupHeader::$variant($module::data_stream::SubgroupHeader {
                    header_type: 0x11
                        | if self.named_by_first { 0x02 } else { 0x04 }
                        | if self.ends_group { 0x08 } else { 0 },
                    track_alias: alias,
                    group_id: group,
                    subgroup_id: subgroup,
                    publisher_priority: Some(self.priority),
                })
            };
        }
        Ok(match draft {
            DraftVersion::Draft14 => {
                AnySubgroupHeader::Draft14(draft14::data_stream::SubgroupHeader {
                    stream_type: draft14::data_stream::SubgroupStreamType::from_flags(
                        !self.named_by_first,
                        self.named_by_first,
                        true,
                        self.ends_group,
                    ),
                    track_alias: alias,
                    group_id: group,
                    subgroup_id: (!self.named_by_first).then_some(subgroup),
                    publisher_priority: self.priority,
                })
            }
            DraftVersion::Draft15 => flags!(Draft15, draft15),
            DraftVersion::Draft16 => flags!(Draft16, draft16),
            DraftVersion::Draft17 => flags!(Draft17, draft17),
            DraftVersion::Draft18 => flags!(Draft18, draft18),
            DraftVersion::Draft19 => flags!(Draft19, draft19),
            DraftVersion::Draft20 => flags!(Draft20, draft20),
            DraftVersion::Draft21 => flags!(Draft21, draft21),
            DraftVersion::Draft22 => flags!(Draft22, draft22),
            other => bail!("{other:?} has no line here yet"),
        })
    }
}

/// Writes one subgroup stream.
pub struct SubgroupWriter {
    stream: SendStream,
    writer: AnySubgroupObjectWriter,
    draft: DraftVersion,
}

impl SubgroupWriter {
    /// Opens the stream and writes its header.
    pub async fn open(
        transport: &Transport,
        draft: DraftVersion,
        subgroup: Subgroup,
    ) -> Result<SubgroupWriter> {
        let header = subgroup.header(draft)?;
        let mut bytes = Vec::new();
        header.encode_stream_checked(&mut bytes)?;
        let mut stream = transport.open_uni().await?;
        stream.write_all(&bytes).await?;
        Ok(SubgroupWriter { stream, writer: AnySubgroupObjectWriter::new(&header)?, draft })
    }

    /// Writes an object whole.
    pub async fn write(&mut self, object: &Object) -> Result<()> {
        let bytes = self.encode(object)?;
        self.write_bytes(&bytes).await
    }

    /// The bytes of an object.
    pub fn encode(&mut self, object: &Object) -> Result<Vec<u8>> {
        let any = AnySubgroupObject {
            object_id: object.id,
            extension_headers: encode_properties(self.draft, &object.properties)?,
            extension_count: None,
            status: object.payload.is_empty().then_some(object.status),
            payload: object.payload.clone(),
        };
        let mut bytes = Vec::new();
        self.writer.write_object(&any, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes a part of such bytes.
    pub async fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Ends the stream.
    pub fn finish(mut self) -> Result<()> {
        Ok(self.stream.finish()?)
    }
}

/// A data stream that is being read.
pub struct Incoming {
    stream: RecvStream,
    bytes: BytesMut,
    draft: DraftVersion,
    kind: Kind,
}

enum Kind {
    Subgroup(Subgroup, AnySubgroupObjectReader),
    Fetch(u64, AnyFetchObjectReader),
}

/// What a fetch stream says of ids without an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndOfRange {
    /// Group of its last id.
    pub group: u64,
    /// Its last id.
    pub id: u64,
    /// What is known of it.
    pub knowledge: AnyFetchEndOfRange,
}

/// The next thing on a data stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// An object or mark.
    Object(Object),
    /// A range without objects.
    EndOfRange(EndOfRange),
}

impl Incoming {
    /// Accepts the next data stream and reads its header.
    pub async fn accept(transport: &Transport, draft: DraftVersion) -> Result<Incoming> {
        let mut stream = transport.accept_uni().await.context("waiting for a data stream")?;
        let mut bytes = BytesMut::new();
        let kind = loop {
            ensure!(fill(&mut stream, &mut bytes).await?, "a data stream ended in its header");
            let mut rest = &bytes[..];
            // 0x05 is FETCH_HEADER in every draft, and no subgroup's.
            let decoded = if bytes[0] == 0x05 {
                AnyFetchHeader::decode_stream(draft, &mut rest).and_then(|header| {
                    let order = AnyFetchGroupOrder::Ascending;
                    let reader = AnyFetchObjectReader::new(&header, order)?;
                    Ok(Kind::Fetch(header.request_id(), reader))
                })
            } else {
                AnySubgroupHeader::decode_stream(draft, &mut rest).and_then(|header| {
                    let reader = AnySubgroupObjectReader::new(&header)?;
                    Ok(Kind::Subgroup(describe(&header), reader))
                })
            };
            let left = rest.len();
            match decoded {
                Ok(kind) => {
                    bytes.advance(bytes.len() - left);
                    break kind;
                }
                Err(error) if error.is_incomplete() => {}
                Err(error) => return Err(anyhow!(error).context("a data stream's header")),
            }
        };
        Ok(Incoming { stream, bytes, draft, kind })
    }

    /// Header of a subgroup stream.
    pub fn subgroup(&self) -> Result<Subgroup> {
        match &self.kind {
            Kind::Subgroup(subgroup, _) => Ok(*subgroup),
            Kind::Fetch(request, _) => bail!("a fetch stream of request {request} came instead"),
        }
    }

    /// Request that a fetch stream answers.
    pub fn request(&self) -> Result<u64> {
        match &self.kind {
            Kind::Fetch(request, _) => Ok(*request),
            Kind::Subgroup(subgroup, _) => bail!("a subgroup stream came instead: {subgroup:?}"),
        }
    }

    /// What follows the header as far as it has come: at least so many bytes.
    pub async fn arrived(&mut self, bytes_min: usize) -> Result<&[u8]> {
        while self.bytes.len() < bytes_min {
            let more = fill(&mut self.stream, &mut self.bytes).await?;
            ensure!(more, "a data stream ended after {} bytes", self.bytes.len());
        }
        Ok(&self.bytes)
    }

    /// The next object, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Result<Option<Item>> {
        loop {
            if !self.bytes.is_empty() {
                match self.decode() {
                    Ok(item) => return Ok(Some(item)),
                    Err(error) => match error.downcast_ref::<CodecError>() {
                        Some(codec) if codec.is_incomplete() => {}
                        _ => return Err(error.context("an object")),
                    },
                }
            }
            if !fill(&mut self.stream, &mut self.bytes).await? {
                ensure!(self.bytes.is_empty(), "a data stream ended inside an object");
                return Ok(None);
            }
        }
    }

    /// Everything up to the end of the stream.
    pub async fn rest(mut self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        while let Some(item) = self.next().await? {
            items.push(item);
        }
        Ok(items)
    }

    /// Reads up to the end of the stream, which has to be a reset; its code as MOQT has it.
    pub async fn reset_code(mut self) -> Result<u64> {
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut chunk).await {
                Ok(Some(_)) => {}
                Ok(None) => bail!("the stream was finished"),
                Err(TransportError::StreamReset(code)) => {
                    return Ok(match &self.stream {
                        RecvStream::Quic(_) => code,
                        RecvStream::WebTransport(_) => web_transport_code(code)?,
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn decode(&mut self) -> Result<Item> {
        let mut rest = &self.bytes[..];
        let item = match &mut self.kind {
            Kind::Subgroup(subgroup, reader) => {
                let mut probe = reader.clone();
                let any = probe.read_object(&mut rest)?;
                *reader = probe;
                if subgroup.named_by_first {
                    subgroup.subgroup = any.object_id;
                    subgroup.named_by_first = false;
                }
                Item::Object(Object {
                    group: subgroup.group,
                    id: any.object_id,
                    subgroup: Some(subgroup.subgroup),
                    status: any.status.unwrap_or(0),
                    properties: decode_properties(self.draft, &any.extension_headers)?,
                    payload: any.payload,
                })
            }
            Kind::Fetch(_, reader) => {
                let mut probe = reader.clone();
                let any = probe.read_object(&mut rest)?;
                *reader = probe;
                match any.end_of_range {
                    Some(knowledge) => Item::EndOfRange(EndOfRange {
                        group: any.group_id,
                        id: any.object_id,
                        knowledge,
                    }),
                    None => Item::Object(Object {
                        group: any.group_id,
                        id: any.object_id,
                        subgroup: any.has_subgroup_id.then_some(any.subgroup_id),
                        status: any.status.unwrap_or(0),
                        properties: decode_properties(self.draft, &any.extension_headers)?,
                        payload: any.payload,
                    }),
                }
            }
        };
        let left = rest.len();
        self.bytes.advance(self.bytes.len() - left);
        Ok(item)
    }
}

/// Reads what is there; false at the end of the stream.
async fn fill(stream: &mut RecvStream, bytes: &mut BytesMut) -> Result<bool> {
    let mut chunk = [0; 16 * 1024];
    match stream.read(&mut chunk).await {
        Ok(Some(read)) => {
            bytes.extend_from_slice(&chunk[..read]);
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(TransportError::StreamReset(code)) => bail!("a data stream was reset with {code:#x}"),
        Err(error) => Err(error.into()),
    }
}

/// The code that HTTP/3 wrapped (draft-ietf-webtrans-http3 §4.3): one in 31 is left out.
fn web_transport_code(code: u64) -> Result<u64> {
    let shifted = code.checked_sub(0x52e4_a40f_a8db).context("a reset of HTTP/3 itself")?;
    Ok(shifted - shifted / 0x1f)
}

fn describe(header: &AnySubgroupHeader) -> Subgroup {
    let ends_group = match header {
        AnySubgroupHeader::Draft14(header) => header.stream_type.contains_end_of_group(),
        AnySubgroupHeader::Draft15(header) => header.has_end_of_group(),
        AnySubgroupHeader::Draft16(header) => header.has_end_of_group(),
        AnySubgroupHeader::Draft17(header) => header.is_end_of_group(),
        AnySubgroupHeader::Draft18(header) => header.is_end_of_group(),
        AnySubgroupHeader::Draft19(header) => header.is_end_of_group(),
        AnySubgroupHeader::Draft20(header) => header.is_end_of_group(),
        AnySubgroupHeader::Draft21(header) => header.is_end_of_group(),
        AnySubgroupHeader::Draft22(header) => header.is_end_of_group(),
    };
    Subgroup {
        alias: header.track_alias(),
        group: header.group_id(),
        subgroup: header.subgroup_id().unwrap_or(0),
        named_by_first: header.subgroup_id().is_none(),
        ends_group,
        priority: header.publisher_priority().unwrap_or(128),
    }
}

/// Sends an object as a datagram.
pub fn send_datagram(
    transport: &Transport,
    draft: DraftVersion,
    alias: u64,
    object: &Object,
) -> Result<()> {
    let properties = encode_properties(draft, &object.properties)?;
    let (alias, group) = (VarInt::from_u64(alias)?, VarInt::from_u64(object.group)?);
    let id = VarInt::from_u64(object.id)?;
    macro_rules! flags {
        ($variant:ident, $module:ident, $properties:ident) => {
            AnyDatagramHeader::$variant($module::data_stream::DatagramHeader {
                datagram_type: u8::from(!properties.is_empty())
                    | if object.status != 0 { 0x20 } else { 0 },
                track_alias: alias,
                group_id: group,
                object_id: id,
                publisher_priority: Some(128),
                $properties: properties,
                object_status: match object.status {
                    0 => None,
                    status => $module::types::ObjectStatus::from_u64(status),
                },
            })
        };
    }
    let header = match draft {
        DraftVersion::Draft14 => {
            use draft14::data_stream::DatagramType;
            let with_properties = !properties.is_empty();
            AnyDatagramHeader::Draft14(draft14::data_stream::DatagramObject {
                datagram_type: match object.status {
                    0 => DatagramType::payload(true, with_properties, false),
                    _ => DatagramType::status(with_properties),
                },
                track_alias: alias,
                group_id: group,
                object_id: id,
                publisher_priority: 128,
                extension_headers: properties,
                status: match object.status {
                    0 => None,
                    status => draft14::types::ObjectStatus::from_u64(status),
                },
                payload: Vec::new(),
            })
        }
        DraftVersion::Draft15 => flags!(Draft15, draft15, extension_headers),
        DraftVersion::Draft16 => flags!(Draft16, draft16, extension_headers),
        DraftVersion::Draft17 => flags!(Draft17, draft17, properties),
        DraftVersion::Draft18 => flags!(Draft18, draft18, properties),
        DraftVersion::Draft19 => flags!(Draft19, draft19, properties),
        DraftVersion::Draft20 => flags!(Draft20, draft20, properties),
        DraftVersion::Draft21 => flags!(Draft21, draft21, properties),
        DraftVersion::Draft22 => flags!(Draft22, draft22, properties),
        other => bail!("{other:?} has no line here yet"),
    };
    let mut bytes = Vec::new();
    header.encode(&mut bytes)?;
    bytes.extend_from_slice(&object.payload);
    Ok(transport.send_datagram(Bytes::from(bytes))?)
}

/// Receives a datagram: its track alias and object.
pub async fn receive_datagram(transport: &Transport, draft: DraftVersion) -> Result<(u64, Object)> {
    let bytes = transport.recv_datagram().await.context("waiting for a datagram")?;
    let mut rest = &bytes[..];
    let header = AnyDatagramHeader::decode(draft, &mut rest)?;
    let meta = header.meta();
    let (block, payload) = match header {
        AnyDatagramHeader::Draft14(header) => (header.extension_headers, header.payload),
        AnyDatagramHeader::Draft15(header) => (header.extension_headers, rest.to_vec()),
        AnyDatagramHeader::Draft16(header) => (header.extension_headers, rest.to_vec()),
        AnyDatagramHeader::Draft17(header) => (header.properties, rest.to_vec()),
        AnyDatagramHeader::Draft18(header) => (header.properties, rest.to_vec()),
        AnyDatagramHeader::Draft19(header) => (header.properties, rest.to_vec()),
        AnyDatagramHeader::Draft20(header) => (header.properties, rest.to_vec()),
        AnyDatagramHeader::Draft21(header) => (header.properties, rest.to_vec()),
        AnyDatagramHeader::Draft22(header) => (header.properties, rest.to_vec()),
    };
    let object = Object {
        group: meta.group_id,
        id: meta.object_id,
        subgroup: None,
        status: meta.status.unwrap_or(0),
        properties: decode_properties(draft, &block)?,
        payload,
    };
    Ok((meta.track_alias, object))
}
