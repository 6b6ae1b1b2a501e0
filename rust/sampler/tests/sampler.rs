//! What a caller can rely on, whatever the row and the parameters.

use inferail_sampler::{
    Batch, Compat, Dry, DynamicTemperature, Exclusion, Input, Job, Level, LogprobsMode, Parameters,
    Place, Purpose, Row, Sampler, Scratch, uniform,
};
use proptest::prelude::*;

fn row() -> impl Strategy<Value = Vec<f32>> {
    let number = prop_oneof![
        30 => -12.0_f32..12.0,
        10 => (-20_i32..20).prop_map(|halves| halves as f32 / 2.0),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(f32::NAN),
    ];
    prop_oneof![
        9 => proptest::collection::vec(number, 1..900),
        1 => (1_usize..3000).prop_map(|len| vec![1.0; len]),
    ]
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let compat = prop_oneof![
        Just(Compat::Vllm),
        Just(Compat::Hf),
        Just(Compat::LlamaCpp),
        Just(Compat::Sglang),
        Just(Compat::Mlx)
    ];
    let filters = (
        prop_oneof![3 => Just(0_usize), 2 => 1_usize..400],
        prop_oneof![2 => Just(1.0), 3 => 0.0_f64..1.0],
        prop_oneof![2 => Just(0.0), 1 => 0.0_f64..0.3],
        prop_oneof![4 => Just(1.0), 1 => 0.0_f64..1.0],
        proptest::option::weighted(0.2, 0.1_f64..3.0),
        prop_oneof![4 => Just(0.0), 1 => 0.0_f64..0.01],
    );
    let others = (
        prop_oneof![4 => Just(1.0), 1 => 0.5_f64..2.0],
        prop_oneof![4 => Just(0.0), 1 => -1.0_f64..1.0],
        proptest::option::weighted(0.1, 0.05_f64..0.5),
        proptest::option::weighted(0.1, 0.1_f64..1.0),
        proptest::option::weighted(0.2, 0_usize..8),
        any::<bool>(),
    );
    (0.0_f64..2.0, compat, filters, others).prop_map(|(temperature, compat, filters, others)| {
        let (top_k, top_p, min_p, typical_p, top_n_sigma, epsilon) = filters;
        let (repetition_penalty, frequency_penalty, threshold, range, logprobs, is_raw) = others;
        Parameters {
            temperature,
            compat,
            top_k,
            top_p,
            min_p,
            typical_p,
            top_n_sigma,
            epsilon,
            eta: epsilon,
            repetition_penalty,
            frequency_penalty,
            exclusion: threshold.map(|threshold| Exclusion {
                probability: 0.5,
                threshold,
                protected: vec![1],
            }),
            dynamic_temperature: range.map(|range| DynamicTemperature {
                range,
                exponent: 1.5,
            }),
            dry: threshold.map(|threshold| Dry {
                multiplier: threshold,
                base: 1.5,
                allowed_length: 1,
                window: None,
                breakers: vec![],
            }),
            logprobs,
            logprobs_mode: if is_raw {
                LogprobsMode::Raw
            } else {
                LogprobsMode::Processed
            },
            ..Parameters::default()
        }
    })
}

proptest! {
    /// Serves R18: the same token, with the same log probabilities to the last bit.
    #[test]
    fn instruction_sets_draw_the_same_token(
        row in row(),
        parameters in parameters(),
        prompt in proptest::collection::vec(0_u32..50, 0..30),
        mask in proptest::option::weighted(0.3, proptest::collection::vec(any::<u32>(), 100)),
        seed in any::<u64>(),
    ) {
        let scalar = Sampler::new(parameters.clone()).unwrap().on(Level::all()[0]);
        let history = scalar.history(&prompt);
        let input = Input { row: Row::F32(&row), mask: mask.as_deref(), history: Some(&history) };
        for position in 0..3 {
            let place = Place::new(seed, position);
            let expected = scalar.pick(&input, &place, &mut Scratch::default());
            let law = scalar.distribution(&input, &place, &mut Scratch::default());
            for level in Level::all() {
                let sampler = Sampler::new(parameters.clone()).unwrap().on(level);
                let seen = sampler.pick(&input, &place, &mut Scratch::default());
                prop_assert_eq!(&seen, &expected, "{}", level.name());
                prop_assert_eq!(&sampler.distribution(&input, &place, &mut Scratch::default()), &law);
            }
        }
    }

    /// What is drawn is among what can be drawn, and nothing that is masked.
    #[test]
    fn drawn_tokens_are_among_those_that_are_left(
        row in row(),
        parameters in parameters(),
        mask in proptest::option::weighted(0.5, proptest::collection::vec(any::<u32>(), 100)),
        seed in any::<u64>(),
    ) {
        let sampler = Sampler::new(parameters).unwrap();
        let input = Input { row: Row::F32(&row), mask: mask.as_deref(), history: None };
        let mut scratch = Scratch::default();
        for position in 0..5 {
            let place = Place::new(seed, position);
            let law = sampler.distribution(&input, &place, &mut scratch);
            let picked = sampler.pick(&input, &place, &mut scratch);
            let (Ok(law), Ok(picked)) = (&law, &picked) else {
                prop_assert_eq!(law.err(), picked.err());
                continue;
            };
            prop_assert!(law.probability(picked.token) > 0.0);
            prop_assert!((law.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            for id in &law.ids {
                let allowed = mask.as_ref().is_none_or(|mask| mask[*id as usize / 32] >> (id % 32) & 1 == 1);
                prop_assert!(allowed && row[*id as usize] > f32::NEG_INFINITY);
            }
        }
    }

    /// Rows that went before leave nothing behind.
    #[test]
    fn batches_draw_what_single_rows_do(
        rows in proptest::collection::vec(row(), 1..12),
        parameters in proptest::collection::vec(parameters(), 12),
        threads in 1_usize..4,
    ) {
        let samplers: Vec<Sampler> = parameters.into_iter().map(|parameters| Sampler::new(parameters).unwrap()).collect();
        let job = |(at, row): (usize, &'_ Vec<f32>)| -> (usize, Place) { (row.len(), Place::new(at as u64, 3)) };
        let places: Vec<(usize, Place)> = rows.iter().enumerate().map(job).collect();
        let jobs: Vec<Job<'_>> = rows.iter().enumerate().map(|(at, row)| Job {
            sampler: &samplers[at],
            input: Row::F32(row).into(),
            place: places[at].1,
        }).collect();

        let seen = Batch::default().pick(&jobs, std::num::NonZeroUsize::new(threads));

        for (job, seen) in jobs.iter().zip(seen) {
            prop_assert_eq!(job.sampler.pick(&job.input, &job.place, &mut Scratch::default()), seen);
        }
    }
}

/// The number that decides is compared with the running sum of 151,936 equal probabilities.
#[test]
fn every_token_of_a_uniform_vocabulary_is_reached() {
    const VOCABULARY: u32 = 151_936;
    let row = vec![0.5; VOCABULARY as usize];
    let sampler = Sampler::new(Parameters::default()).unwrap();
    let mut scratch = Scratch::default();
    // A draw takes the token whose stratum of [0, 1) its number is in, so each stratum gives its own token.
    for position in 0..3_000 {
        let place = Place::new(5, position);
        let share = uniform(5, position, Purpose::Token, 0);
        let picked = sampler
            .pick(&Row::F32(&row).into(), &place, &mut scratch)
            .unwrap();
        assert_eq!(picked.token, (share * f64::from(VOCABULARY)) as u32);
    }
}

#[test]
fn threads_share_large_batches_and_keep_the_order() {
    let row: Vec<f32> = (0..200_000).map(|at| (at % 977) as f32 * 0.01).collect();
    let sampler = Sampler::new(Parameters {
        top_k: 50,
        ..Parameters::default()
    })
    .unwrap();
    let jobs: Vec<Job<'_>> = (0..16)
        .map(|at| Job {
            sampler: &sampler,
            input: Row::F32(&row).into(),
            place: Place::new(at, 0),
        })
        .collect();
    let batch = Batch::default();

    let one = batch.pick(&jobs, std::num::NonZeroUsize::new(1));
    let four = batch.pick(&jobs, std::num::NonZeroUsize::new(4));

    assert_eq!(one, four);
}
