//! Streams by the hundred, in both directions.

use std::collections::VecDeque;

use crate::encoder::{AUDIO_PROPERTIES, Track, object};
use crate::page::{Page, ready_now, within_patience};
use crate::player::{GroupStream, watched};
use crate::support::Relay;

/// What a browser lets a server have open at first, and by how many it then adds.
const BROWSER_STREAMS: usize = 100;
const BROWSER_STEP: usize = 50;
/// Of these the relay keeps two for itself: HTTP/3's control stream and MOQT's.
const OPEN_GROUPS: usize = BROWSER_STREAMS - 2;

/// 60 audio and 39 video streams may be open in the encoder, which drops groups when it may
/// not open another at once.
#[test]
fn an_encoder_may_have_a_hundred_streams_open_at_once() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, player, mut track, _there) = watched(&relay, "x-audio0").await;
        let mut open = VecDeque::new();
        for _ in 0..100 {
            open.push_back(open_now(&encoder.page, &mut track).await);
        }
        assert_eq!(player.next_group().await.group, 0, "and they are served");
    });
}

#[test]
fn a_thousand_streams_with_a_hundred_open_at_a_time_all_arrive() {
    let relay = Relay::start(&["--behind-groups-max", "2000"]);
    within_patience(async {
        let (encoder, _announced, player, mut track, _there) = watched(&relay, "x-audio0").await;
        let send = async {
            let mut open = VecDeque::new();
            for _ in 0..1000 {
                if open.len() == 100 {
                    let mut oldest: web_transport_quinn::SendStream = open.pop_front().unwrap();
                    oldest.write_all(&[0, 0, 0, 3]).await.unwrap();
                    oldest.finish().unwrap();
                }
                track.begin_group(&encoder.page, 9).await;
                track.object(AUDIO_PROPERTIES, b"packet").await;
                open.push_back(track.group.take().unwrap());
            }
            for mut stream in open {
                stream.write_all(&[0, 0, 0, 3]).await.unwrap();
                stream.finish().unwrap();
            }
        };
        let receive = async {
            let mut groups = Vec::new();
            let mut open = VecDeque::new();
            for _ in 0..1000 {
                let mut group = player.next_group().await;
                assert_eq!(group.next_object().await.unwrap().payload, b"packet");
                groups.push(group.group);
                open.push_back(group);
                if open.len() > 60 {
                    assert_eq!(open.pop_front().unwrap().rest().await.len(), 1);
                }
            }
            groups
        };
        let ((), mut groups) = tokio::join!(send, receive);
        groups.sort_unstable();
        assert_eq!(groups, (0..1000).collect::<Vec<_>>());
    });
}

/// A browser allows 100 streams and adds 50 when 50 are over. What the relay may not open yet
/// waits; nothing fails and nothing is lost.
#[test]
fn groups_wait_while_the_player_allows_no_stream() {
    // How long a viewer may be behind is another matter.
    let relay = Relay::start(&["--behind-groups-max", "2000"]);
    within_patience(async {
        let (encoder, _announced, mut player, mut track, _there) =
            watched(&relay, "x-audio0").await;
        let total = OPEN_GROUPS + 3 * BROWSER_STEP;
        for number in 0..total {
            track.audio(&encoder.page, &(number as u16).to_be_bytes()).await;
        }
        track.end_group().await;
        player.until_relay_has("x-audio0", (total as u64 - 1, 0)).await;

        let mut open: VecDeque<GroupStream> = VecDeque::new();
        for _ in 0..OPEN_GROUPS {
            open.push_back(player.next_group().await);
        }
        assert!(ready_now(player.next_group()).await.is_none(), "the credit is out");
        let mut seen = Vec::new();
        while let Some(mut group) = open.pop_front() {
            let objects = group.rest().await;
            assert_eq!(objects.len(), 2, "the packet and the end of the group");
            assert_eq!(objects[0].payload, (group.group as u16).to_be_bytes());
            seen.push(group.group);
            if seen.len() % BROWSER_STEP == 0 && seen.len() + open.len() < total {
                for _ in 0..(total - seen.len() - open.len()).min(BROWSER_STEP / 2) {
                    open.push_back(player.next_group().await);
                }
            }
        }
        while seen.len() < total {
            let mut group = player.next_group().await;
            assert_eq!(group.rest().await.len(), 2);
            seen.push(group.group);
        }
        assert_eq!(seen, (0..total as u64).collect::<Vec<_>>(), "oldest first");
    });
}

/// Opens a group's stream, which has to be possible without waiting, and leaves it open.
async fn open_now(page: &Page, track: &mut Track) -> web_transport_quinn::SendStream {
    let stream = ready_now(page.session.open_uni()).await;
    let mut stream = stream.expect("there is credit").expect("the session is open");
    let bytes = [track.header(9), object(AUDIO_PROPERTIES, b"packet")].concat();
    track.next_group += 1;
    stream.write_all(&bytes).await.expect("the relay takes it");
    stream
}
