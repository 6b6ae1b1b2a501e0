//! What can go wrong between this crate and a driver: each has its typed error, nothing panics and nothing is left behind.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use inferail_cuda::probe::SYMBOLS;
use inferail_cuda::{
    Attend, Device, DeviceError, Format, Number, Pages, Part, Stream, Swap, View, Write, kernels,
    probe,
};

use crate::fake::{Build, child, child_without_library, library, live};

/// Everything that this crate has the driver do.
fn session() -> Result<Vec<f32>, DeviceError> {
    let device = Device::open(0)?;
    let (stream, other) = (device.stream()?, device.stream()?);
    let pages = Pages::new(2, 1, 64, 16, 3, Format::Bf16)?;
    let store = device.allocate(pages.bytes())?;
    stream.fill(&store.view(), 0)?;
    let numbers: Vec<f32> = (0..64).map(|i| i as f32 / 64.0).collect();
    let row = device.allocate(256)?;
    stream.upload(&numbers, &row.view())?;
    let row = View::foreign(&device, row.address(), 256, Arc::new(row.clone()))?;
    let slots = device.allocate(8)?;
    stream.upload(&[17_i64], &slots.view())?;
    let layer = store
        .view()
        .part(pages.layer_bytes(), pages.layer_bytes())?;
    let write = Write {
        keys: &row,
        values: &row,
        number: Number::F32,
        tokens: 1,
        token_stride: 64,
        slots: &slots.view(),
    };
    kernels::write(&stream, &pages, &layer, &write)?;
    kernels::copy_slots(&stream, &pages, &store.view(), &[(1, 2, 16)])?;
    let (ids, staging) = (device.allocate(4)?, device.allocate(pages.block_bytes())?);
    let (ids, staging) = (ids.view(), staging.view());
    kernels::swap(
        &stream,
        &pages,
        &store.view(),
        Swap::Gather,
        &[2],
        &ids,
        &staging,
    )?;
    let pinned = device.pinned(pages.block_bytes())?;
    let pinned = stream.begin_download(&staging, pinned)?.finish()?;
    stream.begin_upload(pinned, &staging)?.finish()?;
    other.wait(&stream.record()?)?;
    kernels::swap(
        &other,
        &pages,
        &store.view(),
        Swap::Scatter,
        &[0],
        &ids,
        &staging,
    )?;
    other.synchronize()?;
    attend(&stream, &pages, &layer, &row)
}

/// Two tokens, seen twice: in two parts, so that states are merged too.
fn attend(
    stream: &Stream,
    pages: &Pages,
    layer: &View,
    row: &View,
) -> Result<Vec<f32>, DeviceError> {
    let device = stream.device();
    let (table, lengths) = (device.allocate(4)?, device.allocate(4)?);
    stream.upload(&[0_i32], &table.view())?;
    stream.upload(&[2_i32], &lengths.view())?;
    let part = Part {
        block_table: &table.view(),
        table_stride: 1,
        sequences: 1,
        lengths: &lengths.view(),
        starts: None,
        query_start: None,
        most_queries: 1,
        longest: 2,
        tokens: 2,
        causal: false,
    };
    let out = device.allocate(256)?;
    let attend = Attend {
        query: row,
        out: &out.view(),
        logarithms: None,
        number: Number::F32,
        queries: 1,
        group: 1,
        parts: &[part.clone(), part],
        scale: 0.0,
        soft_cap: None,
        window: None,
    };
    let scratch = device.allocate(attend.scratch_bytes(device, pages)?)?;
    kernels::attend(stream, pages, layer, &scratch.view(), &attend)?;
    let mut found = vec![0.0_f32; 64];
    stream.download(&out.view(), &mut found)?;
    device.memory()?;
    Ok(found)
}

#[test]
#[ignore = "run in a process of its own"]
fn whole_session() {
    let found = session().unwrap();

    // Slot 16 is zeros, slot 17 the row; nothing is scaled, so that both weigh the same.
    for (i, x) in found.iter().enumerate() {
        assert!((x - i as f32 / 128.0).abs() < 1e-5, "{i}: {x}");
    }
    assert_eq!(live(), [0; 6]);
}

#[test]
fn session_leaves_nothing_behind() {
    child(Build::Sanitized, "driver::whole_session", "", &[]);
}

#[test]
fn session_runs_from_ptx_where_no_cubin_fits() {
    child(Build::Plain, "driver::whole_session", "no_cubins", &[]);
}

/// `INFERAIL_EXPECTED` is a part of what the error looks like.
#[test]
#[ignore = "run in a process of its own"]
fn failing_session() {
    let expected = std::env::var("INFERAIL_EXPECTED").unwrap();

    let error = session().unwrap_err();

    assert!(
        format!("{error:?}").contains(&expected),
        "{error:?}, not {expected}"
    );
    assert!(!error.to_string().is_empty());
    if !matches!(error, DeviceError::Lost { .. }) {
        assert_eq!(live(), [0; 6], "after {error}");
    }
}

#[test]
fn each_failure_has_its_error() {
    let cases = [
        ("no_device", "NoDevice { ordinal: 0 }"),
        (
            "old_driver",
            "OldDriver { found: (11, 8), needed: (12, 0) }",
        ),
        (
            "old_device",
            "OldDevice { name: \"Fake 9.0\", found: (7, 5) }",
        ),
        ("init=34", "Driver { call: \"cuInit\", code: 34"),
        ("memory=5000", "OutOfMemory { needed: 24576, free: 5000 }"),
        (
            "fail=cuMemHostAlloc:1:2",
            "OutOfMemory { needed: 8192, free: ",
        ),
        (
            "fail=cuLaunchKernel:2:719",
            "Lost { call: \"cuLaunchKernel\", code: 719",
        ),
        (
            "fail=cuStreamSynchronize:3:700",
            "Lost { call: \"cuStreamSynchronize\", code: 700",
        ),
        (
            "fail=cuModuleGetFunction:1:500",
            "Driver { call: \"cuModuleGetFunction\", code: 500",
        ),
    ];
    for (settings, expected) in cases {
        child(
            Build::Plain,
            "driver::failing_session",
            settings,
            &[("INFERAIL_EXPECTED", expected)],
        );
    }
}

#[test]
#[ignore = "run in a process of its own"]
fn any_session() {
    // Whatever the driver refuses, an answer comes back; where the context is alive, nothing is left in it.
    let result = session();

    if !matches!(result, Err(DeviceError::Lost { .. })) {
        assert_eq!(live(), [0; 6], "after {result:?}");
    }
}

#[test]
fn no_function_of_the_driver_may_fail_badly() {
    for symbol in SYMBOLS {
        for (call, code) in [(1, 999), (2, 700)] {
            let settings = format!("fail={symbol}:{call}:{code}");
            child(Build::Plain, "driver::any_session", &settings, &[]);
        }
    }
}

#[test]
#[ignore = "run in a process of its own"]
fn half_a_library() {
    let expected = DeviceError::MissingSymbol {
        symbol: "cuMemHostAlloc",
    };

    assert_eq!(probe().unwrap_err(), expected);
    assert_eq!(Device::open(0).unwrap_err(), expected);
}

#[test]
fn library_without_all_functions_is_refused() {
    child(Build::Half, "driver::half_a_library", "", &[]);
}

#[test]
#[ignore = "run in a process of its own"]
fn no_library() {
    // SAFETY: the driver's initialisers have no preconditions.
    let real = unsafe { libloading::Library::new("libcuda.so.1") };
    if real.is_err() {
        assert!(matches!(probe(), Err(DeviceError::NoLibrary { .. })));
        assert!(matches!(
            Device::open(0),
            Err(DeviceError::NoLibrary { .. })
        ));
    }
}

#[test]
fn machine_without_a_driver_gets_an_error() {
    child_without_library("driver::no_library");
}

#[test]
#[ignore = "run in a process of its own"]
fn lost_device() {
    let device = Device::open(0).unwrap();
    let stream = device.stream().unwrap();
    let buffer = device.allocate(64).unwrap();
    let pinned = device.pinned(64).unwrap();

    let under_way = stream.begin_download(&buffer.view(), pinned).unwrap();
    let first = under_way.finish().unwrap_err();

    assert!(
        matches!(first, DeviceError::Lost { code: 700, .. }),
        "{first:?}"
    );
    assert!(matches!(device.allocate(64), Err(DeviceError::Lost { .. })));
    assert!(matches!(
        stream.synchronize(),
        Err(DeviceError::Lost { .. })
    ));
    assert!(matches!(device.stream(), Err(DeviceError::Lost { .. })));
}

#[test]
fn lost_device_stays_lost() {
    child(
        Build::Plain,
        "driver::lost_device",
        "fail=cuEventSynchronize:1:700",
        &[],
    );
}

#[test]
#[ignore = "run in a process of its own"]
fn lifetimes() {
    let device = Device::open(0).unwrap();
    let stream = device.stream().unwrap();
    let buffer = device.allocate(1 << 16).unwrap();
    let view = buffer.view().part(256, 512).unwrap();
    let under_way = stream
        .begin_download(&view, device.pinned(512).unwrap())
        .unwrap();

    drop(buffer);
    drop(device);
    assert_eq!(
        live()[..2],
        [1, 1],
        "a view and a copy under way keep their memory"
    );
    drop(under_way);
    assert_eq!(live()[..2], [1, 0]);
    drop(view);
    drop(stream);

    assert_eq!(live(), [0; 6]);
}

#[test]
fn memory_lives_as_long_as_what_uses_it() {
    child(Build::Sanitized, "driver::lifetimes", "", &[]);
}

#[test]
#[ignore = "run in a process of its own"]
fn bad_arguments() {
    let device = Device::open(0).unwrap();
    let stream = device.stream().unwrap();
    let pages = Pages::new(1, 1, 64, 16, 2, Format::F32).unwrap();
    let store = device.allocate(pages.bytes()).unwrap().view();
    let refused = |result: Result<(), DeviceError>| {
        assert!(
            matches!(result, Err(DeviceError::UnsupportedShape { .. })),
            "{result:?}"
        );
    };

    refused(kernels::copy_slots(&stream, &pages, &store, &[(0, 2, 1)]));
    refused(kernels::copy_slots(&stream, &pages, &store, &[(0, 1, 17)]));
    refused(kernels::swap(
        &stream,
        &pages,
        &store,
        Swap::Gather,
        &[2],
        &store,
        &store,
    ));
    let short = store.part(0, 64).unwrap();
    refused(kernels::swap(
        &stream,
        &pages,
        &store,
        Swap::Gather,
        &[1],
        &store,
        &short,
    ));
    let write = Write {
        keys: &short,
        values: &store,
        number: Number::F32,
        tokens: 1,
        token_stride: 64,
        slots: &store,
    };
    refused(kernels::write(&stream, &pages, &store, &write));
    refused(kernels::write(
        &stream,
        &pages,
        &store,
        &Write {
            token_stride: 63,
            ..write.clone()
        },
    ));
    refused(kernels::write(
        &stream,
        &pages,
        &store,
        &Write {
            tokens: usize::MAX,
            ..write
        },
    ));
    refused(stream.upload(&[0_u8; 65], &short));
    refused(store.part(8, usize::MAX).map(|_| ()));
    refused(View::foreign(&device, 4096, 1, Arc::new(())).map(|_| ()));
    let behind = store.address() + store.bytes() as u64 - 1;
    refused(View::foreign(&device, behind, 1 << 30, Arc::new(())).map(|_| ()));
}

#[test]
fn arrays_that_do_not_fit_are_refused() {
    child(Build::Plain, "driver::bad_arguments", "", &[]);
}

#[test]
#[ignore = "run in a process of its own"]
fn several_threads() {
    let device = Device::open(0).unwrap();
    let results: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| session().is_ok() && device.allocate(10).is_ok()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });

    assert_eq!(results, [true; 4]);
    drop(device);
    assert_eq!(live(), [0; 6]);
}

#[test]
fn device_is_used_from_several_threads() {
    child(Build::Plain, "driver::several_threads", "", &[]);
}

/// The list that the probe looks up is what the fake has and all tests here run on: no call goes beyond it.
#[test]
fn fake_has_the_functions_of_the_probe_and_no_others() {
    let listed = Command::new("nm")
        .args(["-D", "--defined-only"])
        .arg(library(Build::Plain).join("libcuda.so.1"))
        .output()
        .expect("nm comes with gcc");
    let printed = String::from_utf8(listed.stdout).unwrap();
    let found: BTreeSet<&str> = printed
        .lines()
        .filter_map(|line| line.split(' ').next_back())
        .filter(|name| name.starts_with("cu"))
        .collect();

    assert_eq!(found, SYMBOLS.into_iter().collect());
}
