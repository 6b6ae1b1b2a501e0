//! Whose definitions apply: engines agree about names, not about what is meant by them.

/// The engine to agree with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compat {
    /// vLLM, and with it what OpenAI documents.
    #[default]
    Vllm,
    /// Hugging Face transformers.
    Hf,
    /// llama.cpp.
    LlamaCpp,
    /// `SGLang`.
    Sglang,
    /// mlx-lm.
    Mlx,
}

/// A step of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Temperature,
    TopK,
    TopP,
    /// Both on the distribution that neither has cut yet.
    JointTopKTopP,
    MinP,
    Typical,
    Epsilon,
    Eta,
    TopNSigma,
    Exclusion,
}

/// Which tokens a penalty looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The prompt counts too.
    pub(crate) prompt: bool,
    /// The last ones only.
    pub(crate) window: Option<usize>,
}

/// What differs.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a difference of its own"
)]
pub(crate) struct Conventions {
    pub(crate) stages: &'static [Stage],
    /// Tokens as likely as the last one that top-k keeps are kept too; else those with the lowest ids.
    pub(crate) top_k_keeps_ties: bool,
    /// The token at which the sum has reached `top_p` exactly does not end the set.
    pub(crate) top_p_is_strict: bool,
    /// `top_p = 0` keeps all instead of one.
    pub(crate) top_p_zero_is_off: bool,
    /// A token that reaches the threshold of typical-p exactly does not end the set.
    pub(crate) typical_is_strict: bool,
    /// Tokens that are just as likely as XTC's threshold are no top choices, and all that are as unlikely as the least likely
    /// top choice stay.
    pub(crate) exclusion_is_strict: bool,
    /// Logit bias is added after the penalties.
    pub(crate) bias_is_last: bool,
    /// Temperature 0 takes the most likely of what the filters left.
    pub(crate) greed_is_last: bool,
    pub(crate) repetition: Scope,
    /// Frequency and presence.
    pub(crate) frequency: Scope,
    /// DRY looks at so many tokens of the end.
    pub(crate) dry_window: Option<usize>,
}

use Stage::{
    Epsilon, Eta, Exclusion, JointTopKTopP, MinP, Temperature, TopK, TopNSigma, TopP, Typical,
};

const EVERYTHING: Scope = Scope {
    prompt: true,
    window: None,
};
const OUTPUT: Scope = Scope {
    prompt: false,
    window: None,
};

const VLLM: Conventions = Conventions {
    stages: &[
        Temperature,
        MinP,
        TopK,
        TopP,
        Typical,
        Epsilon,
        Eta,
        TopNSigma,
        Exclusion,
    ],
    top_k_keeps_ties: true,
    top_p_is_strict: false,
    top_p_zero_is_off: false,
    typical_is_strict: false,
    exclusion_is_strict: false,
    bias_is_last: false,
    greed_is_last: false,
    repetition: EVERYTHING,
    frequency: OUTPUT,
    dry_window: None,
};

const HF: Conventions = Conventions {
    stages: &[
        Temperature,
        TopK,
        TopP,
        MinP,
        Typical,
        Epsilon,
        Eta,
        TopNSigma,
        Exclusion,
    ],
    ..VLLM
};

const LLAMA_CPP: Conventions = Conventions {
    stages: &[
        TopNSigma,
        TopK,
        Typical,
        TopP,
        MinP,
        Exclusion,
        Epsilon,
        Eta,
        Temperature,
    ],
    top_k_keeps_ties: false,
    typical_is_strict: true,
    greed_is_last: true,
    dry_window: Some(64),
    repetition: Scope {
        prompt: true,
        window: Some(64),
    },
    frequency: Scope {
        prompt: true,
        window: Some(64),
    },
    ..VLLM
};

const SGLANG: Conventions = Conventions {
    stages: &[
        Temperature,
        JointTopKTopP,
        MinP,
        Typical,
        Epsilon,
        Eta,
        TopNSigma,
        Exclusion,
    ],
    top_k_keeps_ties: false,
    top_p_is_strict: true,
    bias_is_last: true,
    repetition: OUTPUT,
    ..VLLM
};

const MLX: Conventions = Conventions {
    stages: &[
        TopP,
        MinP,
        Exclusion,
        TopK,
        Typical,
        Epsilon,
        Eta,
        TopNSigma,
        Temperature,
    ],
    top_k_keeps_ties: false,
    top_p_zero_is_off: true,
    exclusion_is_strict: true,
    repetition: Scope {
        prompt: true,
        window: Some(20),
    },
    frequency: Scope {
        prompt: true,
        window: Some(20),
    },
    ..VLLM
};

impl Compat {
    pub(crate) fn conventions(self) -> Conventions {
        match self {
            Self::Vllm => VLLM,
            Self::Hf => HF,
            Self::LlamaCpp => LLAMA_CPP,
            Self::Sglang => SGLANG,
            Self::Mlx => MLX,
        }
    }
}
