//! Files of weights: what is read is what was written, and what is broken is refused with a place.

use std::io::Cursor;
use std::path::Path;

use inferail_engine::Error;
use inferail_engine::weights::{Dtype, Header, SafeTensors};
use proptest::prelude::*;

type File = SafeTensors<Cursor<Vec<u8>>>;

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(data);
    file
}

fn open(file: Vec<u8>) -> Result<File, Error> {
    let bytes = file.len() as u64;
    SafeTensors::new(Cursor::new(file), bytes, Path::new("weights"))
}

const HEADER: &str = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"I64","shape":[1],"data_offsets":[16,24]},"c":{"dtype":"BF16","shape":[3],"data_offsets":[24,30]}}"#;

fn small() -> Vec<u8> {
    let mut data = Vec::new();
    for number in [1.0_f32, -2.5, 0.0, 3e-40] {
        data.extend(number.to_le_bytes());
    }
    data.extend((-7_i64).to_le_bytes());
    for half in [0x3F80_u16, 0xC000, 0x0001] {
        data.extend(half.to_le_bytes());
    }
    file(HEADER, &data)
}

#[test]
fn tensors_are_read_as_they_were_written() {
    let mut opened = open(small()).expect("valid");

    assert_eq!(
        opened.floats("a", &[2, 2]).expect("there"),
        [1.0, -2.5, 0.0, 3e-40]
    );
    assert_eq!(opened.integers("b", &[1]).expect("there"), [-7]);
    assert_eq!(
        opened.floats("c", &[3]).expect("there"),
        [1.0, -2.0, f32::from_bits(1 << 16)]
    );
    assert_eq!(opened.header().tensors["c"].dtype, Dtype::Bf16);
    assert!(matches!(
        opened.floats("b", &[1]),
        Err(Error::Unsupported { .. })
    ));
    assert!(matches!(
        opened.integers("a", &[2, 2]),
        Err(Error::Unsupported { .. })
    ));
}

/// Whatever is accepted lies inside the file, in order and without a gap.
fn check(opened: &File, bytes: u64) {
    let mut ends: Vec<_> = opened
        .header()
        .tensors
        .values()
        .map(|tensor| tensor.bytes.clone())
        .collect();
    ends.sort_by_key(|bytes| (bytes.start, bytes.end));
    for (one, other) in ends.iter().zip(ends.iter().skip(1)) {
        assert_eq!(one.end, other.start);
    }
    assert!(ends.last().is_none_or(|last| last.end == bytes));
}

#[test]
fn every_value_of_every_byte_of_a_header_is_read_or_refused() {
    let whole = small();
    let mut refused = 0;

    for at in 0..8 + HEADER.len() {
        for value in 0..=u8::MAX {
            let mut changed = whole.clone();
            changed[at] = value;
            let bytes = changed.len() as u64;
            match open(changed) {
                Ok(mut opened) => {
                    check(&opened, bytes);
                    let tensors = opened.header().tensors.clone();
                    for (name, tensor) in tensors {
                        let read = opened.floats(&name, &tensor.shape);
                        let count: usize = tensor.shape.iter().product();
                        assert!(read.is_err() || read.is_ok_and(|read| read.len() == count));
                    }
                }
                Err(Error::Format { path, offset, .. }) => {
                    assert_eq!(path.as_deref(), Some(Path::new("weights")));
                    assert!(offset.is_some());
                    refused += 1;
                }
                Err(other) => panic!("byte {at} as {value}: {other}"),
            }
        }
    }

    assert!(refused > 200 * HEADER.len(), "{refused}");
}

#[test]
fn every_length_but_the_right_one_is_refused() {
    let whole = small();

    for length in 0..whole.len() {
        assert!(
            matches!(open(whole[..length].to_vec()), Err(Error::Format { .. })),
            "{length}"
        );
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert!(matches!(open(longer), Err(Error::Format { .. })));
    assert!(open(whole).is_ok());
}

#[test]
fn a_broken_header_is_refused_where_it_is_broken() {
    let error = Header::parse(b"{\"a\": 1}", 16).expect_err("no tensor");

    assert!(
        matches!(error, Error::Format { offset: Some(offset), .. } if (8..=16).contains(&offset))
    );
    let error = Header::length([0xFF; 8], 100).expect_err("too long");
    assert!(matches!(
        error,
        Error::Format {
            offset: Some(0),
            ..
        }
    ));
}

#[test]
fn numbers_that_are_not_finite_are_refused_where_they_are() {
    let header = r#"{"a":{"dtype":"F16","shape":[3],"data_offsets":[0,6]}}"#;
    let mut opened = open(file(header, &[0, 0x3C, 0, 0x7C, 0, 0])).expect("valid");

    let error = opened.floats("a", &[3]).expect_err("infinite");

    let expected = 8 + header.len() as u64 + 2;
    assert!(matches!(error, Error::Format { offset: Some(offset), .. } if offset == expected));
}

proptest! {
    #[test]
    fn any_tensors_come_back(shapes in prop::collection::vec(prop::collection::vec(0_usize..4, 0..4), 0..6)) {
        let mut entries = Vec::new();
        let mut data = Vec::new();
        for (at, shape) in shapes.iter().enumerate() {
            let begin = data.len();
            for number in 0..shape.iter().product::<usize>() {
                data.extend((number as f32 + at as f32 * 100.0).to_le_bytes());
            }
            let end = data.len();
            entries.push(format!(r#""t{at}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#));
        }
        // The order of the names says nothing.
        entries.reverse();
        let mut opened = open(file(&format!("{{{}}}", entries.join(",")), &data)).expect("valid");

        for (at, shape) in shapes.iter().enumerate() {
            let numbers = opened.floats(&format!("t{at}"), shape).expect("there");
            let expected: Vec<f32> = (0..shape.iter().product::<usize>()).map(|number| number as f32 + at as f32 * 100.0).collect();
            prop_assert_eq!(numbers, expected);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let length = bytes.len() as u64;
        if let Ok(opened) = open(bytes.clone()) {
            check(&opened, length);
        }
        let behind = file(&String::from_utf8_lossy(&bytes), &[0; 8]);
        let length = behind.len() as u64;
        if let Ok(opened) = open(behind) {
            check(&opened, length);
        }
    }
}
