//! Token counts in one form for every provider.

/// How a call was processed, where that has a price of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceTier {
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer.
    Priority,
    /// Within a day.
    Batch,
}

impl ServiceTier {
    /// The tier of that name; `None` for the usual one, whatever it is called, and for names we do not know.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "flex" => Some(Self::Flex),
            "priority" => Some(Self::Priority),
            "batch" => Some(Self::Batch),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Batch => "batch",
        }
    }
}

/// Tokens of one response, as far as its provider has said. `None` is "not said", never zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of the prompt, with what was read from or written to a cache.
    pub input_tokens: Option<u64>,
    /// All of the answer, with reasoning.
    pub output_tokens: Option<u64>,
    /// The part of the input read from a cache.
    pub cache_read_tokens: Option<u64>,
    /// The part of the input written to a cache.
    pub cache_write_tokens: Option<u64>,
    /// The part of the output spent on reasoning.
    pub reasoning_tokens: Option<u64>,
    /// The part of the input that was audio.
    pub input_audio_tokens: Option<u64>,
    /// The part of the output that was audio.
    pub output_audio_tokens: Option<u64>,
    /// The part of what was written to a cache that is kept for an hour.
    pub cache_write_1h_tokens: Option<u64>,
    /// How the call was processed.
    pub service_tier: Option<ServiceTier>,
    /// What the provider says it cost, in millionths of a millionth of a US dollar.
    pub cost_picodollars: Option<u64>,
}

/// A price in US dollars in the unit of [`Usage::cost_picodollars`]; `None` for what is no price.
pub(crate) fn picodollars(dollars: f64) -> Option<u64> {
    (dollars >= 0.0 && dollars.is_finite()).then(|| (dollars * 1e12).round() as u64)
}

impl Usage {
    /// The larger of each count.
    pub(crate) fn at_least(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.max(other.input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            cache_read_tokens: self.cache_read_tokens.max(other.cache_read_tokens),
            cache_write_tokens: self.cache_write_tokens.max(other.cache_write_tokens),
            reasoning_tokens: self.reasoning_tokens.max(other.reasoning_tokens),
            input_audio_tokens: self.input_audio_tokens.max(other.input_audio_tokens),
            output_audio_tokens: self.output_audio_tokens.max(other.output_audio_tokens),
            cache_write_1h_tokens: self.cache_write_1h_tokens.max(other.cache_write_1h_tokens),
            service_tier: self.service_tier.or(other.service_tier),
            cost_picodollars: self.cost_picodollars.max(other.cost_picodollars),
        }
    }
}

/// The sum of those counts that are known, `None` where none is.
pub(crate) fn sum<const N: usize>(counts: [Option<u64>; N]) -> Option<u64> {
    counts.into_iter().flatten().reduce(u64::saturating_add)
}

/// Replaces `kept` where `count` is known.
pub(crate) fn overwrite(kept: &mut Option<u64>, count: Option<u64>) {
    if count.is_some() {
        *kept = count;
    }
}
