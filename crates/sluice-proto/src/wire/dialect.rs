//! Which drafts there are, and what a [`Dialect`] consists of.

use std::fmt;
use std::str::FromStr;

use super::codes::{Codes, RequestCodes};
use super::data::DataPlane;
use super::frame::MessageRow;
use super::layout::fetch::FetchRequestLayout;
use super::layout::filter::FilterLayout;
use super::layout::fixed::Fixed;
use super::layout::goaway::GoawayLayout;
use super::layout::name::NameRules;
use super::layout::namespace::NamespaceRefForm;
use super::layout::parameter::{Carrier, Parameter, ParameterForm, Row};
use super::layout::response::{ErrorLayout, ResponseForm};
use super::layout::setup::SetupOption;
use super::layout::track_properties::TrackPropertyForm;
use super::varint::Integers;
use super::{
    draft01, draft14, draft15, draft16, draft17, draft18, draft19, draft20, draft21, draft22,
};
use crate::model::{DoneCode, PropertyEncoding, RequestId, RequestKind, ResetCode, SessionCode};

/// A draft that Sluice speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "their numbers say it")]
pub enum Draft {
    D01,
    D14,
    D15,
    D16,
    D17,
    D18,
    D19,
    D20,
    D21,
    D22,
}

impl Draft {
    /// Those that peers agree on by a name or a list of versions, newest first.
    pub const ALL: [Draft; 9] = [
        Draft::D22,
        Draft::D21,
        Draft::D20,
        Draft::D19,
        Draft::D18,
        Draft::D17,
        Draft::D16,
        Draft::D15,
        Draft::D14,
    ];

    /// What a server can speak, newest first: [`Draft::ALL`], and what a client gets that names none
    /// and opens as the clients of 2023/24 do.
    pub const SERVED: [Draft; Draft::ALL.len() + 1] = {
        let mut served = [Draft::D01; Draft::ALL.len() + 1];
        let mut at = 0;
        while at < Draft::ALL.len() {
            served[at] = Draft::ALL[at];
            at += 1;
        }
        served
    };

    /// The draft's table.
    pub const fn dialect(self) -> &'static Dialect {
        match self {
            Draft::D01 => &draft01::DIALECT,
            Draft::D14 => &draft14::DIALECT,
            Draft::D15 => &draft15::DIALECT,
            Draft::D16 => &draft16::DIALECT,
            Draft::D17 => &draft17::DIALECT,
            Draft::D18 => &draft18::DIALECT,
            Draft::D19 => &draft19::DIALECT,
            Draft::D20 => &draft20::DIALECT,
            Draft::D21 => &draft21::DIALECT,
            Draft::D22 => &draft22::DIALECT,
        }
    }

    /// Its name in ALPN and in WebTransport's list of protocols; empty for one that is not offered.
    pub fn token(self) -> &'static str {
        self.dialect().token
    }

    /// The draft with this protocol name. `moq-00` alone may also be an older draft than ours: the
    /// versions in CLIENT_SETUP decide.
    pub fn from_token(token: &str) -> Option<Draft> {
        Draft::ALL.into_iter().find(|draft| draft.token() == token)
    }

    /// The number that CLIENT_SETUP and SERVER_SETUP name it by, where they do.
    pub fn version(self) -> Option<u64> {
        self.dialect().version
    }

    /// The number people know it by.
    pub fn number(self) -> u8 {
        match self {
            Draft::D01 => 1,
            Draft::D14 => 14,
            Draft::D15 => 15,
            Draft::D16 => 16,
            Draft::D17 => 17,
            Draft::D18 => 18,
            Draft::D19 => 19,
            Draft::D20 => 20,
            Draft::D21 => 21,
            Draft::D22 => 22,
        }
    }
}

impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.number())
    }
}

/// A text that names no draft we speak.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no draft that Sluice speaks (14 to 22)")]
pub struct UnknownDraft(String);

impl FromStr for Draft {
    type Err = UnknownDraft;

    fn from_str(text: &str) -> Result<Self, UnknownDraft> {
        let named = |draft: &Draft| draft.to_string() == text;
        Draft::SERVED.into_iter().find(named).ok_or_else(|| UnknownDraft(text.to_owned()))
    }
}

/// Where requests and their responses travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestTransport {
    /// All on one bidirectional control stream, matched by request id; ended by messages; limited
    /// by MAX_REQUEST_ID.
    ControlStream,
    /// Each on its own bidirectional stream, ended with it; limited by the transport's credit. The
    /// control stream is one unidirectional stream of each side.
    OwnStream,
}

/// Which generation of MOQT a draft is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// Requests have ids, messages and objects have lengths, and a stream carries the objects of a
    /// subgroup.
    Requests,
    /// Requests are known by the names in them, messages have no lengths, and every object has a
    /// stream of its own.
    Names,
}

/// How a session begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetupExchange {
    /// CLIENT_SETUP with a list of versions, answered by SERVER_SETUP with one.
    VersionsInBand,
    /// CLIENT_SETUP answered by SERVER_SETUP; the draft was agreed before.
    ClientFirst,
    /// SETUP of both sides at once.
    Both,
}

/// How interest in namespaces and in tracks is told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InterestForm {
    /// One request always means both.
    Combined,
    /// One request says which, or both.
    Options,
    /// A request each.
    Separate,
}

/// Whether an update may ask for more of a track than its subscription has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Widening {
    /// No. It costs the session.
    Forbidden,
    /// The end may move back, the start not forward in the track's past. That costs the session.
    OfEnd,
    /// Yes.
    Free,
}

/// Which subscriptions a fetch can join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JoiningFetch {
    /// None: a fill takes its place.
    None,
    /// Those that began at the next object. Joining another one costs the session.
    OfNextObject,
    /// Those that are not paused. Joining another one costs the session.
    OfForwardingOnly,
    /// Those that are not paused. Joining another one is refused.
    OfForwarding,
}

/// What the FIN of a requester means on a request's own stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FinMeaning {
    /// It ends a namespace subscription; nothing is said of other requests.
    CancelsNamespaces,
    /// No more updates follow; the request goes on.
    NoMoreUpdates,
}

/// One draft: its code points, layouts and capabilities. Get it from [`Draft::dialect`].
#[derive(Debug)]
pub struct Dialect {
    pub(crate) draft: Draft,
    pub(crate) token: &'static str,
    pub(crate) version: Option<u64>,
    /// Its generation.
    pub family: Family,
    /// Whether a stream can carry one object whose length is not said: it ends with the stream.
    pub object_streams: bool,

    /// Form of integers.
    pub integers: Integers,
    /// Encoding of track properties, and of the properties of objects.
    pub properties: PropertyEncoding,

    /// How the session begins.
    pub setup: SetupExchange,
    /// Where requests travel.
    pub requests: RequestTransport,
    /// Whether a request can say that it needs an earlier one.
    pub required_requests: bool,
    /// Whether a namespace subscription has a stream of its own, on which NAMESPACE messages
    /// answer it; else PUBLISH_NAMESPACE requests do.
    pub namespaces_on_own_stream: bool,
    /// How interest in namespaces and tracks is told apart.
    pub interests: InterestForm,
    /// Whether a subscriber is offered its own tracks too.
    pub echo_own_tracks: bool,
    /// Whether PUBLISH_BLOCKED exists.
    pub publish_blocked: bool,
    /// Whether updates may widen a subscription.
    pub widening: Widening,
    /// Whether updates are answered.
    pub updates_answered: bool,
    /// Whether requests other than subscriptions can be updated.
    pub updates_any_request: bool,
    /// Whether PUBLISH_OK carries the subscriber's settings; else an update must follow.
    pub publish_ok_settings: bool,
    /// Which subscriptions a fetch can join.
    pub joining_fetch: JoiningFetch,
    /// Whether a subscription can ask for past objects.
    pub fill: bool,
    /// Whether filters can be relative to the largest group and end inside a group.
    pub rich_filters: bool,
    /// Whether range filters exist.
    pub range_filters: bool,
    /// Whether the session may hold several subscriptions of a track.
    pub several_subscriptions: bool,
    /// Whether a subscription ends when its filter's end is reached.
    pub filter_end_ends_subscription: bool,
    /// Whether PUBLISH_STATE_NOTIFY exists.
    pub state_notify: bool,
    /// Whether requests can be redirected.
    pub redirect: bool,
    /// Whether answers carry track properties beyond those that older messages have fields for.
    pub track_properties: bool,
    /// Whether GOAWAY can concern one request, on its stream.
    pub goaway_request: bool,
    /// What FIN of a requester means.
    pub fin: FinMeaning,

    /// The data plane.
    pub data: DataPlane,

    /// In parts, of which drafts share some.
    pub(crate) messages: &'static [&'static [MessageRow]],
    pub(crate) parameter_form: ParameterForm,
    pub(crate) parameters: &'static [Row],
    pub(crate) fixed: &'static [(Carrier, &'static [Fixed])],
    pub(crate) setup_options: &'static [(u64, SetupOption)],
    pub(crate) names: NameRules,
    pub(crate) filter: FilterLayout,
    pub(crate) fetch: FetchRequestLayout,
    pub(crate) goaway: GoawayLayout,
    pub(crate) responses: ResponseForm,
    pub(crate) errors: ErrorLayout,
    pub(crate) track_property_form: TrackPropertyForm,
    /// Track properties that later drafts gave a meaning: of a track from there they are not sent.
    pub(crate) track_properties_unknown: &'static [u64],
    pub(crate) publish_namespace_ref: NamespaceRefForm,
    pub(crate) unsubscribe_namespace_ref: NamespaceRefForm,
    /// What says in PUBLISH_DONE that streams were not counted.
    pub(crate) stream_count_unknown: u64,
    /// Session codes besides those that every draft has.
    pub(crate) session_codes: Codes<SessionCode>,
    pub(crate) request_codes: RequestCodes,
    pub(crate) done_codes: Codes<DoneCode>,
    pub(crate) reset_codes: Codes<ResetCode>,
}

/// The newest draft, and objects as those publishers send them that say no length.
static BETWEEN_SHARDS: Dialect = Dialect { object_streams: true, ..*Draft::ALL[0].dialect() };

impl Dialect {
    /// What the parts of one relay speak with each other.
    pub fn between_shards() -> &'static Dialect {
        &BETWEEN_SHARDS
    }

    /// Whether the end of a namespace request names the namespace rather than the request.
    pub fn ends_by_name(&self, kind: RequestKind) -> bool {
        let form = match kind {
            RequestKind::SubscribeNamespace => self.unsubscribe_namespace_ref,
            _ => self.publish_namespace_ref,
        };
        form == NamespaceRefForm::Name
    }

    /// Whether an interest can say if objects of its tracks shall flow at once.
    pub fn interest_says_forward(&self) -> bool {
        let carriers = [Carrier::SubscribeNamespace, Carrier::SubscribeTracks];
        let says = |row: &Row| {
            row.what == Parameter::Forward && carriers.iter().any(|c| row.on.contains(c))
        };
        self.parameters.iter().any(says)
    }

    /// The request that one whose body this is says it needs (MOQT-17 §9.2).
    pub fn needed_request(&self, body: &[u8]) -> Option<RequestId> {
        if !self.required_requests {
            return None;
        }
        let (id, read) = self.integers.read(body).ok()??;
        let (delta, _) = self.integers.read(body.get(read..)?).ok()??;
        let distance = delta.checked_mul(2).filter(|distance| *distance > 0)?;
        id.checked_sub(distance).map(RequestId)
    }

    /// The draft it describes.
    pub fn draft(&self) -> Draft {
        self.draft
    }

    /// The settings that the draft has as fields of a message.
    pub(crate) fn fixed_in(&self, carrier: Carrier) -> &'static [Fixed] {
        let of = self.fixed.iter().find(|(of, _)| *of == carrier);
        of.map_or(&[], |(_, fields)| fields)
    }
}
