//! Bytes that break a rule: what it costs on the wire in each draft, and what the log says.

use Draft::{D14, D15, D16, D17, D18, D19, D20, D21, D22};
use sluice_proto::wire::Draft;

use crate::attacker::{Attacker, Carrier, PATIENCE, hex, message};
use crate::neighbours::Neighbours;
use crate::support::{self, Relay};

/// Where bytes go.
enum Write {
    /// A SETUP without fault, and the relay's.
    Setup,
    Control(Vec<u8>),
    /// Where the draft has its requests.
    Request(Vec<u8>),
    /// A request on its own stream, which ends there.
    CutRequest(Vec<u8>),
    Uni(Vec<u8>),
    /// A unidirectional stream that ends.
    UniFin(Vec<u8>),
    Datagram(Vec<u8>),
    EndControl,
    /// Waits for the answer to the last request.
    Answered,
}

/// What it costs.
enum Cost {
    /// The session, with this code.
    Session(u64),
    /// The request, with this code.
    Request(u64),
    /// The stream that came last.
    Stream,
    /// The track that was published last: its PUBLISH is cancelled.
    Track,
}

/// Bytes that break a rule, what they cost, and what the log says of them.
struct Case {
    name: &'static str,
    drafts: &'static [Draft],
    writes: fn(Draft) -> Vec<Write>,
    cost: Cost,
    /// Message, field and section.
    log: [&'static str; 3],
}

const ALL: &[Draft] = &Draft::ALL;
const OLD: &[Draft] = &[D14, D15, D16];
const NEW: &[Draft] = &[D17, D18, D19, D20, D21, D22];
/// All that refuse what they do not know.
const STRICT: &[Draft] = &[D16, D17, D18, D19, D20, D21, D22];

/// SUBSCRIBE to ("a"), "v" that breaks nothing.
fn subscribe(draft: Draft) -> &'static str {
    match draft {
        D14 => "00 01 0161 01 76 80 00 01 02 00",
        _ => "00 01 0161 01 76 00",
    }
}

/// PUBLISH of ("a"), `name` under alias 5.
fn publish(draft: Draft, id: u8, name: &str) -> Vec<u8> {
    let start = format!("{id:02X} 01 0161 01 {name} 05");
    match draft {
        D14 => message(0x1D, &format!("{start} 01 00 01 00")),
        _ => message(0x1D, &format!("{start} 00")),
    }
}

/// The head of a subgroup stream of alias 5: group 0, subgroup 0, priority 128.
fn subgroup(objects: &str) -> Vec<u8> {
    hex(&format!("10 05 00 80 {objects}"))
}

/// What follows the uri in GOAWAY: a timeout, and the request id of one draft.
fn goaway_rest(draft: Draft) -> &'static str {
    match draft {
        D14 | D15 | D16 => "",
        D18 => "00 01",
        _ => "00",
    }
}

fn published(draft: Draft, more: Vec<Write>) -> Vec<Write> {
    let mut writes = vec![Write::Setup, Write::Request(publish(draft, 0, "76")), Write::Answered];
    writes.extend(more);
    writes
}

fn control_cases() -> Vec<Case> {
    vec![
        Case {
            name: "an unknown message",
            drafts: ALL,
            writes: |_| vec![Write::Setup, Write::Request(message(0x3B, ""))],
            cost: Cost::Session(0x3),
            log: ["unknown", "Message Type", "MOQT-18 §10"],
        },
        Case {
            name: "a first message that is no SETUP",
            drafts: OLD,
            writes: |draft| vec![Write::Control(message(0x03, subscribe(draft)))],
            cost: Cost::Session(0x3),
            log: ["SUBSCRIBE", "Message Type", "MOQT-18 §10.3"],
        },
        Case {
            name: "a second SETUP",
            drafts: OLD,
            writes: |draft| {
                let body = if draft == D14 { "01 C0000000FF00000E 00" } else { "00" };
                vec![Write::Setup, Write::Control(message(0x20, body))]
            },
            cost: Cost::Session(0x3),
            log: ["CLIENT_SETUP", "Message Type", "MOQT-18 §10.3"],
        },
        Case {
            name: "a second SETUP on the control stream",
            drafts: NEW,
            writes: |_| vec![Write::Setup, Write::Control(hex("AF00 0000"))],
            cost: Cost::Session(0x3),
            log: ["SETUP", "Message Type", "MOQT-18 §10.3"],
        },
        Case {
            name: "a second control stream",
            drafts: NEW,
            writes: |_| vec![Write::Setup, Write::Uni(hex("AF00 0000"))],
            cost: Cost::Session(0x3),
            log: ["stream", "whole", "MOQT-18 §3.3"],
        },
        Case {
            name: "the end of the control stream",
            drafts: ALL,
            writes: |_| vec![Write::Setup, Write::EndControl],
            cost: Cost::Session(0x3),
            log: ["stream", "whole", "MOQT-18 §3.3"],
        },
        Case {
            name: "GOAWAY with a uri from a client",
            drafts: ALL,
            writes: |draft| {
                let body = format!("01 61{}", goaway_rest(draft));
                vec![Write::Setup, Write::Control(message(0x10, &body))]
            },
            cost: Cost::Session(0x3),
            log: ["GOAWAY", "Uri", "MOQT-18 §10.4"],
        },
        Case {
            name: "a second GOAWAY",
            drafts: ALL,
            writes: |draft| {
                let body = format!("00{}", goaway_rest(draft));
                let goaway = || Write::Control(message(0x10, &body));
                vec![Write::Setup, goaway(), goaway()]
            },
            cost: Cost::Session(0x3),
            log: ["GOAWAY", "Message Type", "MOQT-18 §10.4"],
        },
        Case {
            name: "MAX_REQUEST_ID that does not raise the limit",
            drafts: OLD,
            writes: |_| vec![Write::Setup, Write::Control(message(0x15, "02"))],
            cost: Cost::Session(0x3),
            log: ["MAX_REQUEST_ID", "Request Id", "MOQT-16 §9.5"],
        },
        Case {
            name: "a request message on the control stream",
            drafts: NEW,
            writes: |draft| vec![Write::Setup, Write::Control(message(0x03, subscribe(draft)))],
            cost: Cost::Session(0x3),
            log: ["SUBSCRIBE", "Message Type", "MOQT-18 §3.3"],
        },
    ]
}

fn request_cases() -> Vec<Case> {
    vec![
        Case {
            name: "a message that goes on after its last field",
            drafts: ALL,
            writes: |draft| {
                let body = format!("{} 00", subscribe(draft));
                vec![Write::Setup, Write::Request(message(0x03, &body))]
            },
            cost: Cost::Session(0x3),
            log: ["SUBSCRIBE", "Message Length", "MOQT-18 §10"],
        },
        Case {
            name: "a message that ends inside a field",
            drafts: ALL,
            writes: |_| vec![Write::Setup, Write::Request(message(0x03, "00 01 0161 09 76"))],
            cost: Cost::Session(0x3),
            log: ["SUBSCRIBE", "Track Name", "MOQT-18 §10"],
        },
        Case {
            name: "a message cut by the end of its stream",
            drafts: NEW,
            writes: |draft| {
                let mut bytes = message(0x03, subscribe(draft));
                bytes.extend(hex("02 0009 02"));
                vec![Write::Setup, Write::CutRequest(bytes)]
            },
            cost: Cost::Session(0x3),
            log: ["stream", "whole", "MOQT-18 §3.3"],
        },
        Case {
            name: "a request id of the relay's parity",
            drafts: ALL,
            writes: |draft| {
                let body = format!("01 {}", &subscribe(draft)[3..]);
                vec![Write::Setup, Write::Request(message(0x03, &body))]
            },
            cost: Cost::Session(0x4),
            log: ["SUBSCRIBE", "Request Id", "MOQT-18 §10.1"],
        },
        Case {
            name: "a request id for the second time",
            drafts: ALL,
            writes: |draft| {
                let request = || Write::Request(message(0x03, subscribe(draft)));
                vec![Write::Setup, request(), Write::Answered, request()]
            },
            cost: Cost::Session(0x4),
            log: ["SUBSCRIBE", "Request Id", "MOQT-18 §10.1"],
        },
        Case {
            name: "a namespace of 33 fields",
            drafts: ALL,
            writes: |_| {
                let body = format!("00 21 {} 00", "0161".repeat(33));
                vec![Write::Setup, Write::Request(message(0x06, &body))]
            },
            cost: Cost::Session(0x3),
            log: ["PUBLISH_NAMESPACE", "Namespace", "MOQT-18 §2.4.1"],
        },
        Case {
            name: "an empty field of a namespace",
            drafts: STRICT,
            writes: |_| vec![Write::Setup, Write::Request(message(0x06, "00 01 00 00"))],
            cost: Cost::Session(0x3),
            log: ["PUBLISH_NAMESPACE", "Namespace", "MOQT-18 §2.4.1"],
        },
        Case {
            name: "a name of 4,097 bytes",
            drafts: ALL,
            writes: |draft| {
                let length = if OLD.contains(&draft) { "5001" } else { "9001" };
                let body = format!("00 01 {length} {} 00", "61".repeat(4097));
                vec![Write::Setup, Write::Request(message(0x06, &body))]
            },
            cost: Cost::Session(0x3),
            log: ["PUBLISH_NAMESPACE", "Namespace", "MOQT-18 §2.4.1"],
        },
        Case {
            name: "a parameter that the draft does not have",
            drafts: STRICT,
            writes: |_| {
                let parameter = "00 01 0161 01 76 01 3E 05";
                vec![Write::Setup, Write::Request(message(0x03, parameter))]
            },
            cost: Cost::Session(0x3),
            log: ["SUBSCRIBE", "Parameter Type", "MOQT-18 §10.2"],
        },
        Case {
            name: "FORWARD that is neither 0 nor 1",
            drafts: ALL,
            writes: |draft| {
                let body = match draft {
                    D14 => "00 01 0161 01 76 80 00 02 02 00",
                    _ => "00 01 0161 01 76 01 10 02",
                };
                vec![Write::Setup, Write::Request(message(0x03, body))]
            },
            cost: Cost::Session(0x3),
            log: ["SUBSCRIBE", "Forward", "MOQT-18 §10"],
        },
        Case {
            name: "a token that cannot be read",
            drafts: ALL,
            writes: |draft| {
                let body = match draft {
                    D14 => "00 01 0161 01 76 80 00 01 02 01 03 01 04",
                    _ => "00 01 0161 01 76 01 03 01 04",
                };
                vec![Write::Setup, Write::Request(message(0x03, body))]
            },
            cost: Cost::Session(0x6),
            log: ["SUBSCRIBE", "Parameter Value", "MOQT-18 §10.2.2"],
        },
        Case {
            name: "an unknown kind of filter",
            drafts: &[D14, D15, D16, D17, D18, D19],
            writes: |draft| {
                let body = match draft {
                    D14 => "00 01 0161 01 76 80 00 01 07 00",
                    _ => "00 01 0161 01 76 01 21 01 07",
                };
                vec![Write::Setup, Write::Request(message(0x03, body))]
            },
            cost: Cost::Session(0x3),
            log: ["SUBSCRIBE", "Filter Type", "MOQT-18 §10"],
        },
        Case {
            name: "two tracks under one alias",
            drafts: ALL,
            writes: |draft| published(draft, vec![Write::Request(publish(draft, 2, "77"))]),
            cost: Cost::Session(0x5),
            log: ["PUBLISH", "Track Alias", "MOQT-18 §11.1"],
        },
        Case {
            name: "a range filter without sense",
            drafts: &[D19, D20, D21, D22],
            writes: |_| {
                let body = "00 01 0161 01 76 01 27 03 00 8100";
                vec![Write::Setup, Write::Request(message(0x03, body))]
            },
            cost: Cost::Request(0x36),
            log: ["SUBSCRIBE", "Parameter Value", "MOQT-19 §5.1.3"],
        },
    ]
}

fn data_cases() -> Vec<Case> {
    vec![
        Case {
            name: "a stream of unknown type",
            drafts: ALL,
            writes: |_| vec![Write::Setup, Write::Uni(hex("2A 00 00"))],
            cost: Cost::Session(0x3),
            log: ["stream", "Stream Type", "MOQT-18 §11"],
        },
        Case {
            name: "a datagram of unknown type",
            drafts: ALL,
            writes: |_| vec![Write::Setup, Write::Datagram(hex("3F 05 00 00 80"))],
            cost: Cost::Session(0x3),
            log: ["object datagram", "Datagram Type", "MOQT-18 §11.3"],
        },
        Case {
            name: "a datagram that ends inside a field",
            drafts: ALL,
            writes: |_| vec![Write::Setup, Write::Datagram(hex("00 05"))],
            cost: Cost::Session(0x3),
            log: ["object datagram", "whole", "MOQT-18 §11.3"],
        },
        Case {
            name: "an object of unknown status",
            drafts: ALL,
            writes: |draft| published(draft, vec![Write::Uni(subgroup("00 00 07"))]),
            cost: Cost::Session(0x3),
            log: ["object", "Object Status", "MOQT-18 §11.2.1"],
        },
        Case {
            name: "a stream that ends inside an object",
            drafts: ALL,
            writes: |draft| published(draft, vec![Write::UniFin(subgroup("00 09 6161"))]),
            cost: Cost::Session(0x3),
            log: ["object", "whole", "MOQT-18 §11.4.2"],
        },
        Case {
            name: "properties longer than anyone reads",
            drafts: ALL,
            writes: |draft| {
                // Type 0x11 announces properties; these are 1 MiB long.
                let length = if OLD.contains(&draft) { "80100000" } else { "D00000" };
                let bytes = hex(&format!("11 05 00 80 00 {length}"));
                published(draft, vec![Write::Uni(bytes)])
            },
            cost: Cost::Stream,
            log: ["object", "Properties", "a limit of Sluice"],
        },
        Case {
            name: "properties that contradict themselves",
            drafts: NEW,
            writes: |draft| {
                // PRIOR_GROUP_ID_GAP twice.
                let bytes = hex("11 05 00 80 00 04 3C01 0001 01 61");
                published(draft, vec![Write::Uni(bytes)])
            },
            cost: Cost::Track,
            log: ["object", "Properties", "MOQT-18 §2.4.2"],
        },
    ]
}

/// A request, with what the draft has behind its id.
fn request(draft: Draft, mut bytes: Vec<u8>) -> Vec<u8> {
    if draft.dialect().required_requests && bytes[2] > 0 {
        bytes.insert(4, 0);
        let length = u16::from_be_bytes([bytes[1], bytes[2]]) + 1;
        bytes[1..3].copy_from_slice(&length.to_be_bytes());
    }
    bytes
}

async fn write(attacker: &mut Attacker, write: Write) {
    let draft = attacker.draft;
    match write {
        Write::Setup => attacker.set_up().await,
        Write::Control(bytes) => attacker.write_control(&bytes).await,
        Write::Request(bytes) => attacker.write_request(&request(draft, bytes)).await,
        Write::CutRequest(bytes) => {
            attacker.write_bidi(&request(draft, bytes)).await;
            let _ = attacker.streams.last_mut().unwrap().0.finish();
        }
        Write::Uni(bytes) => attacker.write_uni(&bytes).await,
        Write::UniFin(bytes) => {
            attacker.write_uni(&bytes).await;
            let _ = attacker.unis.last_mut().unwrap().finish();
        }
        Write::Datagram(bytes) => attacker.session.send_datagram(bytes.into()).unwrap(),
        Write::EndControl => attacker.control.as_mut().unwrap().finish().unwrap(),
        Write::Answered => {
            attacker.read_answer().await.expect("an answer");
        }
    }
}

/// What a case cost, as text to compare with what it should.
async fn cost_of(attacker: &mut Attacker, cost: &Cost) -> Result<(), String> {
    let expect = |seen: Option<u64>, code: u64, reason: &str| match seen {
        Some(seen) if seen == code => Ok(()),
        seen => Err(format!("{seen:?} instead of {code:#x}: {reason}")),
    };
    match *cost {
        Cost::Session(code) => {
            let closed = attacker.closed().await;
            let reason = closed.as_ref().map_or("it stays", |(_, reason)| reason);
            expect(closed.as_ref().map(|(code, _)| *code), code, reason)
        }
        Cost::Request(code) => expect(attacker.refusal().await, code, "the refusal"),
        Cost::Stream => {
            let stopped = attacker.unis.last().expect("a stream").stopped().await;
            stopped.map(|_| ()).map_err(|error| format!("not stopped: {error:?}"))
        }
        Cost::Track => {
            let (send, _) = attacker.streams.last().expect("a request on its own stream");
            let stopped = tokio::time::timeout(PATIENCE, send.stopped()).await;
            stopped.map(|_| ()).map_err(|_| "not cancelled".to_owned())
        }
    }
}

async fn check(relay: &Relay, carrier: Carrier, draft: Draft, case: &Case) -> Result<(), String> {
    let mut attacker = Attacker::connect(relay, carrier, draft).await;
    // Another one may have had the port before.
    let remote = format!("remote={}", attacker.address);
    let before = relay.lines_with(&[&remote, "broke a rule"]);
    for bytes in (case.writes)(draft) {
        write(&mut attacker, bytes).await;
    }
    cost_of(&mut attacker, &case.cost).await?;
    let [message, field, section] = case.log;
    let (message, field) = (format!("moqt_message={message:?}"), format!("field={field:?}"));
    let line = relay.logged_after(&[&remote, "broke a rule"], before);
    for part in ["session=", &message, &field, section] {
        if !line.contains(part) {
            return Err(format!("no {part} in {line}"));
        }
    }
    attacker.leave().await;
    Ok(())
}

fn check_all(carrier: Carrier) {
    let relay = Relay::start(&[]);
    let neighbours = Neighbours::beside(&relay);
    let mut wrong = Vec::new();
    support::runtime().block_on(async {
        for case in [control_cases(), request_cases(), data_cases()].into_iter().flatten() {
            for draft in case.drafts {
                if let Err(what) = check(&relay, carrier, *draft, &case).await {
                    wrong.push(format!("{}, draft {draft}: {what}", case.name));
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{carrier:?}:\n{}", wrong.join("\n"));
    neighbours.check();
}

#[test]
fn a_broken_rule_costs_what_the_draft_says_and_is_logged_over_raw_quic() {
    check_all(Carrier::Quic);
}

#[test]
fn a_broken_rule_costs_what_the_draft_says_and_is_logged_over_webtransport() {
    check_all(Carrier::WebTransport);
}
