//! The bytes of `wire.js` against those of the relay's own codec, draft by draft.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use sluice_proto::model::*;
use sluice_proto::transport::Side;
use sluice_proto::wire::data::{FetchEncoder, SubgroupDecoder, UniHead};
use sluice_proto::wire::{About, Context, Dialect, Draft, Message, RequestTransport};

use crate::devtools::{Devtools, Tab};
use crate::pages::WIDE;
use crate::support::Relay;

/// Its value fits no 32 bits, as do times in µs since 1970.
const LARGE: u64 = 1_795_727_110_864_123;

struct Page {
    browser: Devtools,
    tab: Tab,
    _relay: Relay,
}

impl Page {
    fn open() -> Page {
        let relay = Relay::start(&[]);
        let mut browser = Devtools::start();
        let tab = browser.open(&format!("http://{}/wire.js", relay.address), WIDE);
        browser.wait(&tab, "document.readyState === 'complete'");
        let helpers = "import('/wire.js').then((wire) => {
            globalThis.wire = wire;
            globalThis.hex = (bytes) => [...bytes].map((it) => it.toString(16).padStart(2, '0')).join('');
            globalThis.bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (it) => parseInt(it, 16));
            globalThis.draft = (number) => wire.DRAFTS.find((it) => it.number === number);
            globalThis.plain = (it) => JSON.parse(JSON.stringify(it, (_, value) =>
                value instanceof Map ? [...value].map(([type, of]) => [type, of instanceof Uint8Array ? hex(of) : of])
                : value instanceof Uint8Array ? hex(value) : value));
        })";
        browser.eval(&tab, helpers);
        Page { browser, tab, _relay: relay }
    }

    fn drafts(&mut self) -> Vec<Draft> {
        let numbers = self.browser.eval(&self.tab, "wire.DRAFTS.map(({ number }) => number)");
        let named =
            |number: &Value| Draft::ALL.into_iter().find(|it| json!(it.number()) == *number);
        let numbers = numbers.as_array().expect("a list").iter();
        numbers.map(|number| named(number).expect("the relay speaks it")).collect()
    }

    /// The bytes that an expression over the draft `d` makes.
    fn written(&mut self, draft: Draft, expression: &str) -> Vec<u8> {
        let script = format!(
            "(() => {{ const d = draft({}); return hex({expression}) }})()",
            draft.number()
        );
        let text = self.browser.eval(&self.tab, &script);
        let text = text.as_str().expect("hexadecimal");
        let pair = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
        (0..text.len()).step_by(2).map(pair).collect()
    }

    /// What an expression over the draft `d` and a reader `r` of these bytes finds.
    fn read(&mut self, draft: Draft, bytes: &[u8], expression: &str) -> Value {
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let number = draft.number();
        let script = format!(
            "(() => {{ const d = draft({number}); const r = new wire.Reader(d, bytes('{text}')); \
             const found = plain({expression}); return r.left === 0 ? found : `${{r.left}} bytes left` }})()"
        );
        self.browser.eval(&self.tab, &script)
    }
}

fn track() -> FullTrackName {
    let namespace = TrackNamespace::from_path("live/cam").expect("a name");
    FullTrackName::new(namespace, TrackName::new("video0".to_owned()).expect("a name"))
        .expect("a name")
}

fn request(dialect: &'static Dialect, bytes: &[u8]) -> Request {
    let context = match dialect.requests {
        RequestTransport::ControlStream => Context::control(Side::Client),
        RequestTransport::OwnStream => Context::new_request(Side::Client),
    };
    let mut buffer = BytesMut::from(bytes);
    let (kind, body) = dialect.split_frame(&mut buffer).expect("legal").expect("whole");
    match dialect.decode(kind, body, &context).expect("legal") {
        Message::Request { id: RequestId(4), request } => request,
        other => panic!("{other:?}"),
    }
}

fn properties(dialect: &Dialect) -> Properties {
    let entries = [
        (0x08, PropertyValue::Int(1_000_000)),
        (0x09, PropertyValue::Bytes(Bytes::from_static(&[0xe0]))),
        (0x10, PropertyValue::Int(LARGE)),
    ];
    Properties::from_entries(dialect.properties, entries).expect("legal")
}

const PROPERTIES_JS: &str =
    "new Map([[0x10, 1795727110864123], [0x08, 1000000], [0x09, new Uint8Array([0xe0])]])";

fn properties_json() -> Value {
    json!([[0x08, 1_000_000], [0x09, "e0"], [0x10, LARGE]])
}

#[test]
fn what_the_javascript_client_writes_the_relay_reads_in_every_draft() {
    let mut page = Page::open();
    for draft in page.drafts() {
        let dialect = draft.dialect();
        let fields = !dialect.track_properties;
        let fetched = |range| Fetch {
            priority: fields.then_some(Priority(128)),
            order: fields.then_some(GroupOrder::Ascending),
            ..Fetch::new(range)
        };
        let named = "{ namespace: ['live', 'cam'], name: 'video0' }";
        let bytes = page
            .written(draft, &format!("wire.encodeSubscribe(d, 4, {named}, {{ priority: 200 }})"));
        let next = Subscribe {
            track: track(),
            filter: LocationFilter::NextObject,
            priority: Some(Priority(200)),
            // Where settings are fields of the message they are always there.
            forward: fields.then_some(true),
            ..Subscribe::default()
        };
        assert_eq!(request(dialect, &bytes), Request::Subscribe(next.clone()), "draft {draft}");
        let end = RangeEnd { group: GroupId(307), object: None };
        let range =
            FetchRange::Standalone(track(), LocationFilter::Range(Location::new(300, 2), end));
        let fetch = format!("wire.encodeFetch(d, 4, {named}, {{ start: [300, 2], end: [307] }})");
        let bytes = page.written(draft, &fetch);
        assert_eq!(request(dialect, &bytes), Request::Fetch(fetched(range)), "draft {draft}");
        if dialect.fill {
            let fill = format!(
                "wire.encodeSubscribe(d, 4, {named}, {{ fill: {{ groups: 3 }}, priority: 200 }})"
            );
            let fill = request(dialect, &page.written(draft, &fill));
            let past = Fill { filter: Some(LocationFilter::RelativeGroup(3)), ..Fill::default() };
            assert_eq!(
                fill,
                Request::Subscribe(Subscribe { fill: Some(past), ..next }),
                "draft {draft}"
            );
        } else {
            let joining = page.written(draft, "wire.encodeJoiningFetch(d, 4, 2, 3)");
            let range = FetchRange::Joining(RequestId(2), JoiningStart::Relative(3));
            assert_eq!(request(dialect, &joining), Request::Fetch(fetched(range)), "draft {draft}");
        }
        reads_objects(&mut page, draft);
    }
}

fn reads_objects(page: &mut Page, draft: Draft) {
    let dialect = draft.dialect();
    let bytes = page.written(draft, "wire.encodeSubgroupHead(d, 300, 1795727110864, 128, true)");
    let (head, read) = dialect.decode_uni_head(&bytes).expect("legal").expect("whole");
    let UniHead::Subgroup(head) = head else { panic!("{head:?}") };
    assert_eq!(read, bytes.len());
    assert_eq!((head.alias, head.group), (TrackAlias(300), GroupId(1_795_727_110_864)));
    assert_eq!(head.priority, Some(Priority(128)));
    let mut decoder = SubgroupDecoder::new(dialect, &head);
    for (previous, object) in [("undefined", 5), ("5", 6), ("6", 90)] {
        let script = format!("wire.encodeObject(d, {previous}, {object}, {PROPERTIES_JS}, 70000)");
        let bytes = Bytes::from(page.written(draft, &script));
        let (object_head, read) = decoder.decode_object(&bytes).expect("legal").expect("whole");
        assert_eq!(read, bytes.len());
        assert_eq!((object_head.object, object_head.payload_bytes), (ObjectId(object), 70_000));
        assert_eq!(object_head.properties.raw(), properties(dialect).raw(), "draft {draft}");
    }
}

#[test]
fn what_the_relay_writes_the_javascript_client_reads_in_every_draft() {
    let mut page = Page::open();
    for draft in page.drafts() {
        let dialect = draft.dialect();
        for value in [
            0,
            63,
            64,
            127,
            128,
            16_383,
            16_384,
            1 << 30,
            (1 << 42) - 1,
            1 << 42,
            LARGE,
            (1 << 53) - 1,
        ] {
            let mut bytes = Vec::new();
            dialect.integers.put(value, &mut bytes).expect("it fits");
            assert_eq!(page.read(draft, &bytes, "r.int()"), json!(value), "draft {draft}");
            assert_eq!(
                page.written(draft, &format!("new wire.Writer(d).int({value}).done()")),
                bytes
            );
        }
        reads_answers(&mut page, draft);
        reads_streams(&mut page, draft);
    }
}

fn reads_answers(page: &mut Page, draft: Draft) {
    let dialect = draft.dialect();
    let about = About::Request(RequestKind::Subscribe);
    let context = match dialect.requests {
        RequestTransport::ControlStream => Context::control(Side::Server).about(about),
        RequestTransport::OwnStream => Context::request(Side::Server, RequestId(4), about),
    };
    let settings = TrackSettings { priority: Some(Priority(9)), ..TrackSettings::default() };
    let ok = SubscribeOk {
        alias: TrackAlias(70),
        largest: Some(Location::new(LARGE, 40)),
        properties: TrackProperties::from_settings(&settings),
        ..SubscribeOk::default()
    };
    let response = sluice_proto::session::Response::Subscribe(ok);
    let mut bytes = BytesMut::new();
    let message = Message::Response { id: RequestId(4), response };
    dialect.encode(&message, &context, &mut bytes).expect("the draft can say it");
    let id = if dialect.requests == RequestTransport::ControlStream { "r.int()," } else { "" };
    // Type, length, then the body.
    let script = format!("(r.int(), r.take(2), {id} wire.decodeSubscribeOk(r))");
    let found = page.read(draft, &bytes, &script);
    let properties = if dialect.track_properties { json!([[0x0e, 9]]) } else { json!([]) };
    let expected = json!({ "alias": 70, "largest": [LARGE, 40], "properties": properties });
    assert_eq!(found, expected, "draft {draft}");
}

fn reads_streams(page: &mut Page, draft: Draft) {
    let dialect = draft.dialect();
    let head = SubgroupHead {
        alias: TrackAlias(3),
        group: GroupId(LARGE),
        subgroup: SubgroupIdField::Id(SubgroupId(7)),
        priority: Some(Priority(1)),
        properties: true,
        end_of_group: true,
        first_object: true,
    };
    let mut bytes = BytesMut::new();
    dialect.encode_subgroup_head(&head, &mut bytes).expect("the draft can say it");
    let found = page.read(draft, &bytes, "wire.decodeStreamHead(r)");
    let expected = json!({
        "kind": "subgroup", "alias": 3, "group": LARGE, "subgroup": 7, "priority": 1,
        "hasProperties": true, "endsGroup": true,
    });
    assert_eq!(found, expected, "draft {draft}");

    let mut bytes = BytesMut::new();
    let mut encoder = FetchEncoder::new(dialect, GroupOrder::Ascending);
    let places = [(5, 0), (5, 1), (5, 9), (8, 2), (8, 3)];
    for (group, object) in places {
        let object = FetchedObject {
            location: Location::new(group, object),
            delivery: Delivery::Subgroup(SubgroupId(0)),
            priority: Priority(128),
            properties: properties(dialect),
            status: ObjectStatus::Normal,
            payload_bytes: 0,
        };
        encoder.encode(&FetchItem::Object(object), &mut bytes).expect("the draft can say it");
    }
    let script = "(() => { const decoder = new wire.FetchDecoder(d); const found = []; \
                  while (r.left > 0) found.push(decoder.decode(r)); return found })()";
    let found = page.read(draft, &bytes, script);
    for (item, (group, object)) in found.as_array().expect("items").iter().zip(places) {
        assert_eq!(
            (&item["group"], &item["object"]),
            (&json!(group), &json!(object)),
            "draft {draft}"
        );
        assert_eq!(item["properties"], properties_json(), "draft {draft}");
    }
}
