//! What every grammar must do, wherever it came from.

use inferail_sampler::grammar::{Error, Grammar, Vocabulary};

const END: u32 = 260;
/// Tokens taken of one grammar.
const STEPS: usize = 24;

/// Every byte, a few longer tokens, and one that ends a sequence.
pub fn vocabulary() -> Vocabulary {
    let bytes = (0..=255_u8).map(|byte| vec![byte]);
    let longer = [&b"{\""[..], b"\":", b"true", b"\xc3\xa9", b"<end>"].map(<[u8]>::to_vec);
    let made = Vocabulary::new(bytes.chain(longer).collect(), &[], &[END], None);
    made.expect("the vocabulary of the fuzz targets is one")
}

/// Puts tokens that the masks allow, chosen by `choices`, through what was compiled: each is taken, can be taken back, and
/// leaves the mask that it should.
pub fn check_grammar(made: Result<Grammar, Error>, choices: &[u8]) {
    let Ok(grammar) = made else { return };
    let mut matcher = grammar.matcher();
    for step in 0..STEPS {
        let Ok(mask) = matcher.mask().map(<[u32]>::to_vec) else {
            return;
        };
        let is_allowed = |id: &u32| mask[*id as usize / 32] >> (id % 32) & 1 == 1;
        let allowed: Vec<u32> = (0..=END).filter(is_allowed).collect();
        assert!(!allowed.is_empty());
        let choice = usize::from(choices.get(step).copied().unwrap_or(step as u8));
        let token = allowed[choice % allowed.len()];
        if taken(&mut matcher, token).is_none() {
            return;
        }
        if step % 5 == 4 {
            let Ok(()) = matcher.rollback(1) else { return };
            let Ok(again) = matcher.mask() else { return };
            assert_eq!(again, mask);
            if taken(&mut matcher, token).is_none() {
                return;
            }
        }
    }
}

/// None where the engine met a limit.
fn taken(matcher: &mut inferail_sampler::grammar::Matcher, token: u32) -> Option<()> {
    match matcher.accept(token) {
        Ok(()) => Some(()),
        Err(Error::Stopped { .. }) => None,
        Err(error) => unreachable!("{error} after {:?}", matcher.tokens()),
    }
}
