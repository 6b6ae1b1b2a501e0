//! What a caller may set.

use crate::Error;
use crate::settings::compat::Compat;

/// How the next token is chosen. [`Parameters::default`] draws from the plain softmax.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Logits are divided by it; below 1e-5 the most likely token is taken, of several the one with the lowest id.
    pub temperature: f64,
    /// Entropy decides the temperature.
    pub dynamic_temperature: Option<DynamicTemperature>,
    /// Keeps the `top_k` largest logits; 0 keeps all.
    pub top_k: usize,
    /// Keeps the most likely tokens whose probabilities reach `top_p` together, one at least; 1 keeps all.
    pub top_p: f64,
    /// Keeps tokens at least `min_p` times as likely as the most likely one; 0 keeps all.
    pub min_p: f64,
    /// Keeps the tokens whose surprise is nearest to the entropy, until their probabilities reach it; 1 keeps all.
    pub typical_p: f64,
    /// Keeps logits within so many standard deviations of the largest.
    pub top_n_sigma: Option<f64>,
    /// Drops tokens less likely than this; 0 keeps all.
    pub epsilon: f64,
    /// Drops tokens less likely than `min(eta, sqrt(eta) · exp(−entropy))`; 0 keeps all.
    pub eta: f64,
    /// Excludes top choices.
    pub exclusion: Option<Exclusion>,
    /// Discourages repeated sequences.
    pub dry: Option<Dry>,
    /// Divides positive logits of tokens seen before, and multiplies negative ones; 1 does nothing.
    pub repetition_penalty: f64,
    /// Taken from a logit for every time that the token was seen.
    pub frequency_penalty: f64,
    /// Taken from a logit if the token was seen.
    pub presence_penalty: f64,
    /// The penalties look at so many tokens of the end; `None` is what `compat` says.
    pub penalty_window: Option<usize>,
    /// Added to logits; ascending ids.
    pub logit_bias: Vec<(u32, f64)>,
    /// Only these may be drawn; ascending ids.
    pub allowed: Option<Vec<u32>>,
    /// These may not be drawn; ascending ids.
    pub banned: Vec<u32>,
    /// Until so many tokens follow the prompt, `stop_tokens` may not be drawn.
    pub min_tokens: usize,
    /// Ascending ids.
    pub stop_tokens: Vec<u32>,
    /// Steers surprise instead of cutting the distribution.
    pub mirostat: Option<Mirostat>,
    /// Whose definitions and order apply.
    pub compat: Compat,
    /// Log probabilities of so many most likely tokens, and of the drawn one.
    pub logprobs: Option<usize>,
    /// Which log probabilities.
    pub logprobs_mode: LogprobsMode,
    /// A logit that is not a number, or +∞, is an error and no flag.
    pub strict: bool,
}

/// Temperature between `temperature ± range`, by `(H / ln n) ^ exponent` of the entropy `H` over `n` tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DynamicTemperature {
    /// Half the width of the interval.
    pub range: f64,
    /// Above 1 the temperature stays low longer.
    pub exponent: f64,
}

/// XTC: with a probability, all tokens above a threshold but the least likely of them are excluded.
#[derive(Debug, Clone, PartialEq)]
pub struct Exclusion {
    /// How often.
    pub probability: f64,
    /// Tokens at least as likely count as top choices.
    pub threshold: f64,
    /// Never excluded, however likely. Ascending ids.
    pub protected: Vec<u32>,
}

/// DRY: the token that would extend a sequence seen before loses `multiplier · base^(length − allowed_length)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dry {
    /// 0 does nothing.
    pub multiplier: f64,
    /// 1 or more.
    pub base: f64,
    /// Shorter repetitions are free.
    pub allowed_length: usize,
    /// Looks at so many tokens of the end; `None` is what `compat` says.
    pub window: Option<usize>,
    /// Tokens that end a sequence; ascending ids.
    pub breakers: Vec<u32>,
}

/// Mirostat (Basu et al., 2021): the cut follows the surprise of what was drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mirostat {
    /// Version 1 estimates the exponent of a Zipf law from the 100 most likely tokens; version 2 cuts by surprise.
    pub version: MirostatVersion,
    /// Surprise to aim at, bits.
    pub tau: f64,
    /// How fast the cut follows.
    pub eta: f64,
    /// Tokens that version 1 estimates from.
    pub considered: usize,
}

/// Which Mirostat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirostatVersion {
    /// With a Zipf law.
    One,
    /// By surprise alone.
    Two,
}

/// Which log probabilities are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogprobsMode {
    /// Of the logits as they came.
    #[default]
    Raw,
    /// Of the distribution that was drawn from: after penalties, temperature and filters.
    Processed,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            dynamic_temperature: None,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            top_n_sigma: None,
            epsilon: 0.0,
            eta: 0.0,
            exclusion: None,
            dry: None,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            penalty_window: None,
            logit_bias: Vec::new(),
            allowed: None,
            banned: Vec::new(),
            min_tokens: 0,
            stop_tokens: Vec::new(),
            mirostat: None,
            compat: Compat::default(),
            logprobs: None,
            logprobs_mode: LogprobsMode::default(),
            strict: false,
        }
    }
}

impl Parameters {
    /// The most likely token is taken without a draw.
    pub(crate) fn is_greedy(&self) -> bool {
        // vLLM's bound: a division by less says nothing that the largest logit does not.
        self.temperature < 1e-5
    }

    pub(crate) fn has_penalties(&self) -> bool {
        self.repetition_penalty != 1.0
            || self.frequency_penalty != 0.0
            || self.presence_penalty != 0.0
    }

    /// Checks every value, and sorts what has to be sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`]: one means nothing.
    pub(crate) fn checked(mut self) -> Result<Self, Error> {
        let number = |name, value: f64, expected, is: bool| check(name, value, expected, is);
        let at_least_zero = "a finite number, 0 or more";
        let fraction = "between 0 and 1";
        let finite = |value: f64| value.is_finite() && value >= 0.0;
        let within = |value: f64| (0.0..=1.0).contains(&value);
        number(
            "temperature",
            self.temperature,
            at_least_zero,
            finite(self.temperature),
        )?;
        number("top_p", self.top_p, fraction, within(self.top_p))?;
        number("min_p", self.min_p, fraction, within(self.min_p))?;
        number(
            "typical_p",
            self.typical_p,
            fraction,
            within(self.typical_p),
        )?;
        number("epsilon", self.epsilon, fraction, within(self.epsilon))?;
        number("eta", self.eta, fraction, within(self.eta))?;
        let positive = self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite();
        number(
            "repetition_penalty",
            self.repetition_penalty,
            "above 0",
            positive,
        )?;
        for (name, value) in [
            ("frequency_penalty", self.frequency_penalty),
            ("presence_penalty", self.presence_penalty),
        ] {
            number(name, value, "a finite number", value.is_finite())?;
        }
        if let Some(sigma) = self.top_n_sigma {
            number("top_n_sigma", sigma, at_least_zero, finite(sigma))?;
        }
        if let Some(dynamic) = self.dynamic_temperature {
            let (range, exponent) = (dynamic.range, dynamic.exponent);
            number(
                "dynamic_temperature_range",
                range,
                at_least_zero,
                finite(range),
            )?;
            number(
                "dynamic_temperature_exponent",
                exponent,
                at_least_zero,
                finite(exponent),
            )?;
        }
        for (_, bias) in &self.logit_bias {
            number(
                "logit_bias",
                *bias,
                "a finite number for each token",
                bias.is_finite(),
            )?;
        }
        self.check_mirostat()?;
        self.check_exclusion()?;
        self.check_dry()?;
        self.sort()?;
        Ok(self)
    }

    fn check_mirostat(&self) -> Result<(), Error> {
        let Some(mirostat) = self.mirostat else {
            return Ok(());
        };
        let expected = "a finite number above 0";
        let positive = |value: f64| value.is_finite() && value > 0.0;
        check(
            "mirostat_tau",
            mirostat.tau,
            expected,
            positive(mirostat.tau),
        )?;
        check(
            "mirostat_eta",
            mirostat.eta,
            expected,
            positive(mirostat.eta),
        )?;
        let considered = mirostat.considered;
        check(
            "mirostat_m",
            considered as f64,
            "2 or more",
            considered >= 2,
        )
    }

    fn check_exclusion(&self) -> Result<(), Error> {
        let Some(exclusion) = &self.exclusion else {
            return Ok(());
        };
        let fraction = "between 0 and 1";
        let within = |value: f64| (0.0..=1.0).contains(&value);
        let Exclusion {
            probability,
            threshold,
            ..
        } = *exclusion;
        check(
            "xtc_probability",
            probability,
            fraction,
            within(probability),
        )?;
        check("xtc_threshold", threshold, fraction, within(threshold))
    }

    fn check_dry(&self) -> Result<(), Error> {
        let Some(dry) = &self.dry else { return Ok(()) };
        let finite = dry.multiplier.is_finite() && dry.multiplier >= 0.0;
        check(
            "dry_multiplier",
            dry.multiplier,
            "a finite number, 0 or more",
            finite,
        )?;
        let base = dry.base.is_finite() && dry.base >= 1.0;
        check("dry_base", dry.base, "a finite number, 1 or more", base)
    }

    fn sort(&mut self) -> Result<(), Error> {
        self.logit_bias.sort_unstable_by_key(|(id, _)| *id);
        if let Some([first, _]) = self.logit_bias.array_windows().find(|[a, b]| a.0 == b.0) {
            let expected = "one number for each token";
            let value = format!("two for token {}", first.0);
            return Err(Error::Parameter {
                name: "logit_bias",
                expected,
                value,
            });
        }
        let protected = self
            .exclusion
            .iter_mut()
            .map(|exclusion| &mut exclusion.protected);
        let breakers = self.dry.iter_mut().map(|dry| &mut dry.breakers);
        let lists = self
            .allowed
            .iter_mut()
            .chain([&mut self.banned, &mut self.stop_tokens]);
        for list in lists.chain(protected).chain(breakers) {
            list.sort_unstable();
            list.dedup();
        }
        Ok(())
    }

    /// The largest id that is named anywhere: a row has to reach it.
    pub(crate) fn largest_id(&self) -> Option<(&'static str, u32)> {
        let bias = self.logit_bias.last().map(|(id, _)| *id);
        let allowed = self.allowed.as_ref().and_then(|ids| ids.last().copied());
        [
            ("logit_bias", bias),
            ("allowed", allowed),
            ("banned", self.banned.last().copied()),
            ("stop_tokens", self.stop_tokens.last().copied()),
        ]
        .into_iter()
        .filter_map(|(name, id)| Some((name, id?)))
        .max_by_key(|(_, id)| *id)
    }
}

fn check(name: &'static str, value: f64, expected: &'static str, is: bool) -> Result<(), Error> {
    if is {
        return Ok(());
    }
    let value = value.to_string();
    Err(Error::Parameter {
        name,
        expected,
        value,
    })
}
