//! A chat over a relay: everybody publishes a track of lines and reads those of the others.
//!
//! ```sh
//! sluice relay                      # prints the hash of its certificate
//! cargo run -p sluice-client --example chat -- moqt://localhost:4433/moq HASH garden alice
//! cargo run -p sluice-client --example chat -- https://localhost:4433/moq HASH garden bob
//! ```
//!
//! Who comes late reads the last line of everybody; who leaves is withdrawn.
#![allow(clippy::print_stdout, reason = "a command-line program")]

use std::error::Error;
use std::io::BufRead;

use sluice_client::{Client, ConnectOptions, Join, NamespaceNews, Object, Target, Trust};
use sluice_proto::model::{
    FullTrackName, GroupId, ObjectStatus, TrackName, TrackNamespace, TrackProperties,
};
use tokio::sync::mpsc::{Receiver, channel};

type Fault = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, hash, room, name] = arguments.as_slice() else {
        return Err("usage: chat URL CERTIFICATE_SHA256 ROOM NAME".into());
    };
    let target: Target = url.parse()?;
    let trust = Trust::CertificateHashes(vec![bytes(hash).ok_or("not a SHA-256 hash")?]);
    let client = Client::connect(&target, ConnectOptions { trust, ..Default::default() }).await?;

    let room = TrackNamespace::from_path(&format!("chat/{room}"))?;
    let me = room.join(&TrackNamespace::from_path(name)?)?;
    tokio::spawn(listen(client.clone(), room, me.clone()));
    speak(&client, me).await?;
    client.close().await;
    Ok(())
}

/// Publishes what is typed, each line a group of its own.
async fn speak(client: &Client, me: TrackNamespace) -> Result<(), Fault> {
    let mut writer = client.open_track(lines_of(&me)?, TrackProperties::default());
    client.publish_namespace(me).await?;
    let mut typed = typed_lines();
    let mut group = 0;
    while let Some(line) = typed.recv().await {
        writer.write(Object::new(group, 0, line)).await?;
        writer.end_group(GroupId(group));
        group += 1;
    }
    writer.finish().await?;
    Ok(())
}

/// Reads everybody who is in the room, or comes into it.
async fn listen(client: Client, room: TrackNamespace, me: TrackNamespace) -> Result<(), Fault> {
    let mut people = client.watch_namespaces(room).await?;
    while let Some(news) = people.next().await {
        match news {
            NamespaceNews::Announced(who) if who != me => {
                println!("* {who} is here");
                tokio::spawn(read(client.clone(), who));
            }
            NamespaceNews::Withdrawn(who) if who != me => println!("* {who} has left"),
            _ => {}
        }
    }
    Ok(())
}

async fn read(client: Client, who: TrackNamespace) -> Result<(), Fault> {
    let mut reader = client.subscribe(lines_of(&who)?, Join::CurrentGroup).await?;
    while let Some(object) = reader.next().await? {
        if object.status == ObjectStatus::Normal {
            println!("{who}: {}", String::from_utf8_lossy(&object.payload));
        }
    }
    Ok(())
}

fn lines_of(who: &TrackNamespace) -> Result<FullTrackName, Fault> {
    Ok(FullTrackName::new(who.clone(), TrackName::new("lines")?)?)
}

/// Lines of standard input, read in a thread of their own.
fn typed_lines() -> Receiver<String> {
    let (sender, receiver) = channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn bytes(hexadecimal: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = hexadecimal.get(2 * index..2 * index + 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    (hexadecimal.len() == 64).then_some(bytes)
}
