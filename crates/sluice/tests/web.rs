//! What the relay serves over HTTP: its pages, to whom, and under which policy.

mod support;

use support::Relay;
use support::http::{ask, ask_securely};

#[test]
fn the_relay_serves_its_pages_under_a_strict_policy() {
    let relay = Relay::start(&[]);
    for (name, kind) in
        [("player.html", "text/html"), ("sluice.js", "text/javascript"), ("style.css", "text/css")]
    {
        let answer = ask(&relay, &format!("/{name}"), "");
        assert_eq!(answer.status, 200, "{name}");
        assert!(!answer.body.is_empty(), "{name}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{}", answer.head);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        // Whoever has it already is not sent it again.
        let tag = answer.header("etag").unwrap();
        let again = ask(&relay, &format!("/{name}"), &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((again.status, again.body.len()), (304, 0), "{name}");
    }
    for name in ["nothing.html", "../Cargo.toml", "..%2fCargo.toml", "web/style.css"] {
        assert_eq!(ask(&relay, &format!("/{name}"), "").status, 404, "{name}");
    }
}

#[test]
fn pages_are_for_those_that_the_operator_names() {
    let own = Relay::start(&["--host", "camera.example"]);
    let foreign = "Host: attacker.example\r\n";
    assert_eq!(ask(&own, "/player.html", "").status, 200);
    assert_eq!(ask(&own, "/player.html", "Host: camera.example:4433\r\n").status, 200);
    assert_eq!(ask(&own, "/player.html", foreign).status, 404, "a name that is not this machine's");
    assert_eq!(ask(&own, "/api/v1/overview", foreign).status, 404);
    let all = Relay::start(&["--web"]);
    assert_eq!(ask_securely(&all, "/player.html", foreign).status, 200);
    assert_eq!(
        ask_securely(&all, "/api/v1/overview", foreign).status,
        404,
        "the pages alone are for all"
    );
    let none = Relay::start(&["--web=off"]);
    assert_eq!(ask(&none, "/player.html", "").status, 404);
    let root = ask(&none, "/", "");
    assert!(String::from_utf8_lossy(&root.body).contains("relays Media over QUIC here"));
    assert_eq!(ask(&none, "/certificate.sha256", foreign).status, 200, "clients need the hash");
}

#[test]
fn pages_come_from_a_folder_while_someone_works_on_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "one").unwrap();
    let relay = Relay::start(&["--web-dir", folder.path().to_str().unwrap()]);
    assert_eq!(ask(&relay, "/", "Accept: text/html\r\n").body, b"one");
    std::fs::write(folder.path().join("index.html"), "two").unwrap();
    assert_eq!(ask(&relay, "/index.html", "").body, b"two");
    std::fs::write(folder.path().join("key.pem"), "secret").unwrap();
    assert_eq!(ask(&relay, "/key.pem", "").status, 404, "only what pages are made of");
}

#[test]
fn the_port_speaks_http_and_https_and_leads_strangers_to_the_latter() {
    let relay = Relay::start(&["--web", "--host", "camera.example"]);
    let page = "Accept: text/html\r\n";
    let plain = ask(&relay, "/player.html", page);
    let secure = ask_securely(&relay, "/player.html", page);
    assert_eq!((plain.status, secure.status), (200, 200), "this machine may have it plainly");
    assert!(plain.body == secure.body, "both are the page");

    let elsewhere = "Host: relay.example:4433\r\n";
    let told = ask(&relay, "/player.html?namespace=a&latency=0", &format!("{elsewhere}{page}"));
    let text = String::from_utf8_lossy(&told.body).into_owned();
    assert!(told.status == 200 && text.contains("choose\n<strong>Advanced</strong>"), "{text}");
    let link = "href=\"https://relay.example:4433/player.html?namespace=a&amp;latency=0\"";
    assert!(text.contains(link), "{text}");
    let script = ask(&relay, "/sluice.js", elsewhere);
    assert_eq!(script.status, 307);
    assert_eq!(script.header("location"), Some("https://relay.example:4433/sluice.js"));
    assert_eq!(ask(&relay, "/certificate.sha256", elsewhere).status, 200, "it is needed before");
    assert_eq!(ask(&relay, "/style.css", elsewhere).status, 200, "what is said has its looks");
    let odd = "Host: relay.example/\"><script>\r\n";
    let odd = ask(&relay, "/", &format!("{odd}{page}"));
    assert!(!String::from_utf8_lossy(&odd.body).contains("<script>"), "nothing gets into the page");
}
