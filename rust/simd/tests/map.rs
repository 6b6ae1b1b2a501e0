//! Maps show what is in a file; views are refused where they would not be aligned or whole.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests do"
)]

use std::io::Write;

use inferail_simd::map::{Map, Number, bytes, view};
use proptest::prelude::*;

fn mapped(contents: &[u8]) -> Map {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(contents).unwrap();
    Map::new(&file).unwrap()
}

/// What `view` has to say: every number read alone, or nothing.
fn slow_view<const N: usize, T>(contents: &[u8], number: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
    let aligned = contents.as_ptr().addr().is_multiple_of(N);
    (aligned && contents.len().is_multiple_of(N)).then(|| {
        contents
            .chunks_exact(N)
            .map(|chunk| number(chunk.try_into().unwrap()))
            .collect()
    })
}

fn assert_view<const N: usize, T: Number>(contents: &[u8], number: impl Fn([u8; N]) -> T) {
    let expected = slow_view(contents, number);
    match (view::<T>(contents), expected) {
        (Some(found), Some(expected)) => assert_eq!(bytes(found), bytes(&expected)),
        (None, None) => {}
        // An empty slice has no address to be wrong.
        (Some(found), None) => assert!(found.is_empty()),
        (None, Some(_)) => assert!(contents.is_empty()),
    }
}

proptest! {
    #[test]
    fn views_are_the_numbers_or_nothing(contents in prop::collection::vec(any::<u8>(), 0..200), start in 0_usize..16) {
        let map = mapped(&contents);
        let copied = Map::copied(&contents).unwrap();
        prop_assert_eq!(copied.as_slice(), map.as_slice());
        prop_assert!(copied.as_slice().as_ptr().addr().is_multiple_of(4096));
        let bytes = &map.as_slice()[start.min(contents.len())..];

        assert_view(bytes, f32::from_ne_bytes);
        assert_view(bytes, i8::from_ne_bytes);
        assert_view(bytes, u8::from_ne_bytes);
        assert_view(bytes, u16::from_ne_bytes);
        assert_view(bytes, u32::from_ne_bytes);
        assert_view(bytes, u64::from_ne_bytes);
    }

    #[test]
    fn bytes_of_numbers_are_those_numbers(numbers in prop::collection::vec(any::<u32>(), 0..50)) {
        prop_assert_eq!(view::<u32>(bytes(&numbers)), Some(numbers.as_slice()));
    }
}

#[test]
fn map_shows_the_file_when_it_was_closed_and_its_name_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, [7; 5000]).unwrap();

    let map = Map::new(&std::fs::File::open(&path).unwrap()).unwrap();
    std::fs::remove_file(&path).unwrap();

    assert_eq!(map.as_slice(), [7; 5000]);
}

#[test]
fn map_is_empty_when_the_file_is() {
    assert!(mapped(&[]).as_slice().is_empty());
}

#[test]
fn map_is_aligned_for_every_view_when_it_begins_at_a_multiple_of_64() {
    let map = mapped(&[0; 256]);

    assert!(map.as_slice()[64..].as_ptr().addr().is_multiple_of(64));
}
