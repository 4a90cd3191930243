use bytes::Bytes;
use serde_json::json;

use super::*;

fn full(json: serde_json::Value) -> Catalog {
    match CatalogMessage::decode(json.to_string().as_bytes()) {
        Ok(CatalogMessage::Full(catalog)) => catalog,
        other => panic!("not a complete catalog: {other:?}"),
    }
}

fn changed(catalog: &Catalog, delta: serde_json::Value) -> Result<Catalog, CatalogError> {
    match CatalogMessage::decode(delta.to_string().as_bytes())? {
        CatalogMessage::Delta(delta) => catalog.apply(&delta),
        CatalogMessage::Full(_) => panic!("not a delta: {delta}"),
    }
}

fn names(catalog: &Catalog) -> Vec<&str> {
    catalog.tracks.iter().map(|track| track.name.as_str()).collect()
}

fn two_tracks() -> Catalog {
    full(json!({"version": "draft-01", "tracks": [
        {"name": "video", "packaging": "loc", "isLive": true, "codec": "avc1.42001e", "width": 640},
        {"name": "audio", "packaging": "loc", "isLive": true, "codec": "opus"},
    ]}))
}

#[test]
fn what_is_written_reads_back_the_same_with_its_init_data() {
    let init = Bytes::from_static(b"\0\0\0\x08ftyp");
    let mut catalog = Catalog { generated_at: Some(1_700_000_000_000), ..Catalog::new() };
    catalog.push(CatalogTrack::new("v", Packaging::Cmaf), Some(&init));
    catalog.push(CatalogTrack::new("w", Packaging::Cmaf), Some(&init));
    catalog.push(CatalogTrack::new("a", Packaging::Loc), None);
    assert_eq!(catalog.init_data_list.len(), 1, "equal init data is listed once");

    let Ok(CatalogMessage::Full(read)) = CatalogMessage::decode(&catalog.encode()) else {
        panic!("a complete catalog must read as one");
    };
    assert_eq!(read, catalog);
    assert_eq!(read.init_of(&read.tracks[1]).unwrap(), Some(init));
    assert_eq!(read.init_of(&read.tracks[2]).unwrap(), None);
}

#[test]
fn catalogs_of_every_version_are_read_and_strange_versions_refused() {
    for version in [json!(1), json!("1"), json!("draft-01"), json!("draft-XX")] {
        let track = json!({"name": "v", "packaging": "cmaf", "initData": "AAEC"});
        let catalog = full(json!({"version": version, "tracks": [track]}));
        assert_eq!(catalog.init_of(&catalog.tracks[0]).unwrap().unwrap(), [0, 1, 2][..]);
    }
    for version in [json!(2), json!("banana")] {
        let text = json!({"version": version, "tracks": []}).to_string();
        let error = CatalogMessage::decode(text.as_bytes()).unwrap_err();
        assert!(matches!(error, CatalogError::UnknownVersion(_)), "{error}");
    }
}

#[test]
fn odd_values_cost_a_field_and_not_the_catalog() {
    let catalog = full(json!({"version": 1, "tracks": [{
        "name": "v", "packaging": "locmaf", "width": 640.0, "height": "360", "framerate": "29.97",
        "channelConfig": 2, "bitrate": null, "samplerate": {}, "role": 7,
        "unheardOf": [1, 2],
    }]}));
    let track = &catalog.tracks[0];
    assert_eq!((track.width, track.height, track.framerate), (Some(640), Some(360), Some(29.97)));
    assert_eq!(track.channel_config.as_deref(), Some("2"));
    assert_eq!((track.bitrate, track.samplerate), (None, None));
    assert_eq!(track.packaging, Packaging::Other("locmaf".to_owned()));
    assert_eq!(track.extra["unheardOf"], json!([1, 2]));
}

#[test]
fn operations_add_remove_clone_and_update_tracks_in_order() {
    let after = changed(
        &two_tracks(),
        json!({"generatedAt": 5, "deltaUpdate": [
            {"op": "clone", "tracks": [{"parentName": "video", "name": "small", "width": 320}]},
            {"op": "update", "tracks": [{"name": "video", "isLive": false}]},
            {"op": "remove", "tracks": [{"name": "audio"}]},
            {"op": "add", "tracks": [{"name": "captions", "packaging": "loc"}]},
        ]}),
    )
    .unwrap();
    assert_eq!(names(&after), ["video", "small", "captions"]);
    assert_eq!(after.tracks[1].width, Some(320));
    assert_eq!(after.tracks[1].codec.as_deref(), Some("avc1.42001e"));
    assert!(!after.tracks[0].is_live);
    assert_eq!(after.generated_at, Some(5));
}

#[test]
fn the_arrays_of_msf_00_and_the_patches_of_warp_apply_too() {
    let arrays = changed(
        &two_tracks(),
        json!({"deltaUpdate": true, "addTracks": [{"name": "x", "packaging": "loc"}],
               "removeTracks": [{"name": "video"}]}),
    );
    assert_eq!(names(&arrays.unwrap()), ["audio", "x"]);
    let patch = changed(
        &two_tracks(),
        json!([{"op": "remove", "path": "/tracks/0"},
               {"op": "copy", "from": "/tracks/0", "path": "/tracks/-"},
               {"op": "replace", "path": "/tracks/1/name", "value": "copy"},
               {"op": "test", "path": "/version", "value": "draft-01"}]),
    );
    assert_eq!(names(&patch.unwrap()), ["audio", "copy"]);
}

#[test]
fn a_change_that_does_not_apply_is_refused_with_its_reason() {
    let update = json!({"deltaUpdate": [{"op": "update", "tracks": [{"name": "gone"}]}]});
    let error = changed(&two_tracks(), update).unwrap_err();
    assert_eq!(
        error.to_string(),
        "catalog: delta refers to track `gone`, which is not in the catalog"
    );
    let swap = json!({"deltaUpdate": [{"op": "swap", "tracks": []}]});
    assert!(matches!(changed(&two_tracks(), swap), Err(CatalogError::UnknownOperation(_))));
    let patch = json!([{"op": "remove", "path": "/tracks/7"}]);
    assert!(matches!(changed(&two_tracks(), patch), Err(CatalogError::Patch(_))));
}

#[test]
fn the_end_of_a_broadcast_is_complete_and_without_tracks() {
    let text = String::from_utf8(Catalog::ended().encode().to_vec()).unwrap();
    assert_eq!(text, r#"{"version":"draft-01","isComplete":true,"tracks":[]}"#);
}

#[test]
fn copies_of_copies_are_bounded() {
    let double = json!({"op": "copy", "from": "/tracks", "path": "/tracks/-"});
    let error = changed(&two_tracks(), json!(vec![double; 40])).unwrap_err();
    assert!(matches!(error, CatalogError::Patch(PatchError::TooLarge(_))), "{error}");
}
