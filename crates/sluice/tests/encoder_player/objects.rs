//! What an object is made of arrives as it was sent.

use crate::bytes::int;
use crate::encoder::{AUDIO_PRIORITY, AUDIO_PROPERTIES, END_OF_GROUP, VIDEO_PRIORITY};
use crate::page::within_patience;
use crate::player::{Datagram, Object, watched};
use crate::support::Relay;

/// An audio packet's stream stays open until the next packet: the packet must not wait for that.
#[test]
fn an_object_is_forwarded_before_its_stream_ends() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, player, mut track, there) = watched(&relay, "x-audio0").await;
        track.audio(&encoder.page, b"packet").await;
        let mut group = player.next_group().await;
        assert_eq!(group.alias, there.alias);
        let object = group.next_object().await.unwrap();
        assert_eq!(object.payload, b"packet");
        assert_eq!(object.properties, AUDIO_PROPERTIES);
        // Only now the encoder goes on.
        track.end_group().await;
        let mark = Object { delta: 0, properties: vec![], payload: vec![], status: END_OF_GROUP };
        assert_eq!(group.rest().await, [mark]);
    });
}

#[test]
fn the_header_keeps_subgroup_priority_and_first_object() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, player, mut track, _there) = watched(&relay, "x-video0").await;
        // Ids of one byte, of two and of three.
        for number in [0, 7, 200, 20_000] {
            track.next_group = number;
            track.begin_group(&encoder.page, VIDEO_PRIORITY).await;
            track.object(&[], b"key").await;
            track.end_group().await;
            let mut group = player.next_group().await;
            // Of group 0 the subgroup's id may go without saying.
            assert_eq!(group.kind & !0x04, 0x51, "properties, first object, a priority");
            assert_eq!((group.group, group.subgroup), (number, number));
            assert_eq!(group.priority, Some(VIDEO_PRIORITY));
            assert_eq!(group.next_object().await.unwrap().payload, b"key");
        }
    });
}

#[test]
fn properties_arrive_unchanged_known_unknown_and_immutable() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, player, mut track, _there) = watched(&relay, "x-video0").await;
        let configuration = vec![0xab; 700];
        let samples = [
            Vec::new(),
            // 08 timescale, 09 frame marking, 0b immutable with two inside, 0d video
            // configuration, 10 timestamp in more bytes than it needs, 11 codec.
            [
                &[8, 0x83, 0xe8, 1, 1, 0xe0, 2, 5, 0x02, 0x07, 0x01, 1, 0xff, 2][..],
                &int(configuration.len() as u64),
                &configuration,
                &[3, 0xc0, 0x00, 0x21, 1, 11],
                b"avc1.42e01f",
            ]
            .concat(),
            // Unknown ones, one of them twice.
            vec![0x7a, 5, 0, 6, 1, 2, 0xaa, 0xbb],
        ];
        track.begin_group(&encoder.page, VIDEO_PRIORITY).await;
        for properties in &samples {
            track.object(properties, b"frame").await;
        }
        let mut group = player.next_group().await;
        for properties in samples {
            assert_eq!(group.next_object().await.unwrap().properties, properties);
        }
    });
}

/// A datagram for each packet, each in a group of its own, which it ends.
#[test]
fn datagrams_arrive_as_datagrams() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, player, track, there) = watched(&relay, "x-audio0").await;
        for group in 0..20 {
            let payload = vec![group as u8; 40];
            let datagram = [
                &[0x03][..],
                &int(track.alias),
                &int(group),
                &int(0),
                &[AUDIO_PRIORITY],
                &int(AUDIO_PROPERTIES.len() as u64),
                AUDIO_PROPERTIES,
                &payload,
            ]
            .concat();
            encoder.page.session.send_datagram(datagram.into()).unwrap();
            let expected = Datagram {
                alias: there.alias,
                group,
                object: 0,
                priority: AUDIO_PRIORITY,
                properties: AUDIO_PROPERTIES.to_vec(),
                payload,
                ends_group: true,
            };
            assert_eq!(player.next_datagram().await, expected);
        }
    });
}
