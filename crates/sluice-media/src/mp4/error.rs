//! What can be wrong with an MP4 stream. Every variant names box, field and place.

use super::FourCc;
use crate::codec::CodecError;

/// Why an MP4 stream cannot be read on. The demuxer cannot be used after one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mp4Error {
    /// A box ends inside a field.
    #[error("box `{name}` ends inside {field} (byte {offset})")]
    Truncated {
        /// The box.
        name: FourCc,
        /// The incomplete field.
        field: &'static str,
        /// Where the field starts.
        offset: u64,
    },
    /// A field has a value it must not have.
    #[error("box `{name}`: {field} is {value}, {rule} (byte {offset})")]
    Invalid {
        /// The box.
        name: FourCc,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What would be allowed.
        rule: &'static str,
        /// Where reading stood.
        offset: u64,
    },
    /// A box says that it is longer than the box around it.
    #[error("box `{name}` of {size} bytes is longer than the rest of `{inside}` (byte {offset})")]
    BeyondParent {
        /// The box.
        name: FourCc,
        /// The box around it.
        inside: FourCc,
        /// Its announced size.
        size: u64,
        /// Where it starts.
        offset: u64,
    },
    /// A box that must be there is not.
    #[error("box `{inside}` has no `{name}` (byte {offset})")]
    Missing {
        /// The missing box.
        name: FourCc,
        /// Where it was expected.
        inside: FourCc,
        /// Where `inside` starts.
        offset: u64,
    },
    /// A box is larger than the limit for its kind.
    #[error("box `{name}` has {size} bytes, at most {max} are accepted (byte {offset})")]
    TooLarge {
        /// The box.
        name: FourCc,
        /// Its announced size; `u64::MAX` when it lasts to the end of the file.
        size: u64,
        /// The limit.
        max: u64,
        /// Where it starts.
        offset: u64,
    },
    /// A fragment or movie counts more entries than the limit.
    #[error("box `{name}`: {count} {what}, at most {max} are accepted (byte {offset})")]
    TooMany {
        /// The box.
        name: FourCc,
        /// What is counted.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// The limit.
        max: u64,
        /// Where reading stood.
        offset: u64,
    },
    /// An ordinary MP4 file: its samples are not in fragments.
    #[error(
        "not a fragmented MP4: {reason} (byte {offset}); make it one with \
         `ffmpeg -i INPUT -c copy -f mp4 -movflags cmaf+frag_keyframe+delay_moov OUTPUT`"
    )]
    NotFragmented {
        /// How that shows.
        reason: &'static str,
        /// Where it shows.
        offset: u64,
    },
    /// The first bytes are no box that begins an MP4.
    #[error("not an MP4: it starts with `{name}`, expected `ftyp`, `styp` or `moov`")]
    NotMp4 {
        /// What stands in the place of a box name.
        name: FourCc,
    },
    /// The track is encrypted.
    #[error("track {track_id} is encrypted (`{name}`), which is not supported")]
    Encrypted {
        /// The track's id in the file.
        track_id: u32,
        /// The sample entry.
        name: FourCc,
    },
    /// A fragment belongs to a track that the movie does not have.
    #[error("box `tfhd`: track {track_id} is not in the movie (byte {offset})")]
    UnknownTrack {
        /// The id.
        track_id: u32,
        /// Where it stands.
        offset: u64,
    },
    /// A sample lies outside the media data that follows its fragment header.
    #[error(
        "box `trun`: sample {sample} of track {track_id} lies outside the `mdat` behind its `moof` \
         (byte {offset})"
    )]
    OutsideData {
        /// The track's id.
        track_id: u32,
        /// Which sample of the fragment.
        sample: usize,
        /// Where the fragment header starts.
        offset: u64,
    },
    /// A codec's configuration is malformed.
    #[error("box `{name}`: {source} (byte {offset})")]
    Codec {
        /// The box.
        name: FourCc,
        /// What is wrong with it.
        source: CodecError,
        /// Where it starts.
        offset: u64,
    },
    /// The input ended inside a box.
    #[error("the input ends inside box `{name}` that starts at byte {offset}")]
    UnexpectedEnd {
        /// The box.
        name: FourCc,
        /// Where it starts.
        offset: u64,
    },
    /// The input ended before a movie header.
    #[error("the input ends before a `moov` box")]
    NoMovie,
}
