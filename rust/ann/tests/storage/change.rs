//! Every change comes back from its bytes, and no other bytes are one.

use std::borrow::Cow;

use inferail_ann::Error;
use inferail_ann::storage::Change;
use proptest::prelude::*;

use crate::support::{Kind, Owned, numbered};

prop_compose! {
    fn put()(
        expires in any::<Option<u64>>(),
        threshold in any::<Option<f32>>(),
        vector in prop::collection::vec(any::<f32>(), 0..40),
        payload in prop::option::of(prop::collection::vec(any::<u8>(), 0..60)),
    ) -> Kind {
        Kind::Put { expires, threshold, vector, payload }
    }
}

pub(crate) fn changes() -> impl Strategy<Value = Owned> {
    let kind = prop_oneof![
        4 => put(),
        1 => Just(Kind::Delete),
        1 => any::<f32>().prop_map(Kind::Threshold),
        1 => Just(Kind::Clear),
    ];
    (".{0,8}", any::<u64>(), kind).prop_map(|(namespace, key, kind)| Owned {
        namespace,
        key: if kind == Kind::Clear { 0 } else { key },
        kind,
    })
}

proptest! {
    #[test]
    fn change_comes_back_from_its_bytes(owned in changes()) {
        let bytes = owned.encoded();

        prop_assert_eq!(Change::decode(&bytes).unwrap(), owned.change());
    }

    #[test]
    fn bytes_that_are_a_change_are_its_only_encoding(
        owned in changes(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = owned.encoded();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        bytes.truncate(length.index(bytes.len() * 2));

        if let Ok(change) = Change::decode(&bytes) {
            let mut again = Vec::new();
            change.encode(&mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn put_has_the_bytes_that_are_documented() {
    let change = Change::Put {
        namespace: "ab",
        key: 0x0102_0304_0506_0708,
        expires: Some(9),
        threshold: Some(0.5),
        vector: Cow::Borrowed(&[1.0, -2.0]),
        payload: Some(b"xyz"),
    };

    let mut bytes = Vec::new();
    change.encode(&mut bytes).unwrap();

    let expected = [
        &[1, 7, 0, 0][..],
        &[2, 0, 0, 0],
        &[8, 7, 6, 5, 4, 3, 2, 1],
        &[9, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0x3f],
        &[2, 0, 0, 0],
        &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0],
        b"ab",
        b"xyz",
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn decoding_names_the_place_when_bytes_are_no_change() {
    let put = numbered(1).encoded();
    let delete = numbered(5).encoded();
    let clear = numbered(7).encoded();
    let with = |bytes: &[u8], place: usize, byte: u8| {
        let mut bytes = bytes.to_vec();
        bytes[place] = byte;
        bytes
    };
    let cases = [
        (vec![], 0, "the bytes end inside"),
        (with(&put, 0, 9), 0, "the kind is none that is known"),
        (with(&put, 1, 8), 1, "a flag is none that is known"),
        (with(&delete, 1, 1), 1, "only a put has flags"),
        (with(&put, 3, 1), 2, "two bytes must be zero"),
        (with(&clear, 8, 1), 8, "a whole namespace has no key"),
        (
            [&delete[..], &[0]].concat(),
            delete.len(),
            "there are bytes behind the end",
        ),
    ];

    for (bytes, place, words) in cases {
        match Change::decode(&bytes) {
            Err(Error::Change { offset, problem }) => assert_eq!((offset, problem), (place, words)),
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[test]
fn vector_is_borrowed_when_the_bytes_are_aligned() {
    let owned = Owned {
        namespace: "n".into(),
        key: 1,
        kind: Kind::Put {
            expires: None,
            threshold: None,
            vector: vec![1.5; 3],
            payload: None,
        },
    };
    // An allocation of eight-byte numbers begins at a multiple of eight.
    let mut words = vec![0_u64; 16];
    let encoded = owned.encoded();
    for (word, chunk) in words.iter_mut().zip(encoded.chunks(8)) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        *word = u64::from_ne_bytes(bytes);
    }
    let bytes = &inferail_simd::map::bytes(&words)[..encoded.len()];

    let Change::Put { vector, .. } = Change::decode(bytes).unwrap() else {
        panic!("it was a put");
    };

    assert!(matches!(vector, Cow::Borrowed([1.5, 1.5, 1.5])));
}

#[test]
fn debug_shows_neither_namespace_nor_payload() {
    let change = Change::Put {
        namespace: "secret",
        key: 3,
        expires: None,
        threshold: None,
        vector: Cow::Borrowed(&[0.25]),
        payload: Some(b"secret"),
    };

    let shown = format!(
        "{change:?} {:?}",
        Change::Clear {
            namespace: "secret"
        }
    );

    assert!(shown.contains("payload_bytes: Some(6)"));
    assert!(!shown.contains("secret") && !shown.contains("0.25") && !shown.contains("115"));
}
