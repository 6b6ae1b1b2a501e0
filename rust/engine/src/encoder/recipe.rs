//! What the files of a folder say that is to be computed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use inferail_simd::gemm::{Activation, Attention};
use serde_json::{Map, Value};

use super::Pooling;
use crate::Error;

/// The longest file of JSON that is read, the tokenizer's aside.
const MOST_JSON_BYTES: u64 = 1 << 20;

/// The numbers of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Numbers of a token.
    pub hidden: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Layers.
    pub layers: usize,
    /// Numbers of a token in the middle of a layer.
    pub intermediate: usize,
    /// What happens there.
    pub activation: Activation,
    /// Added to a variance.
    pub epsilon: f32,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Places in a text.
    pub positions: usize,
    /// Kinds of segment.
    pub kinds: usize,
}

/// What is to be computed, and from which files.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The numbers of the model.
    pub config: Config,
    /// How tokens become a text.
    pub pooling: Pooling,
    /// Whether vectors are made 1 long.
    pub normalizes: bool,
    /// The most tokens of a text, special ones included.
    pub max_tokens: usize,
    /// Whether texts are put into lower case before everything else.
    pub lowercases: bool,
    /// The file of the weights.
    pub weights: PathBuf,
    /// The file of the tokenizer.
    pub tokenizer: PathBuf,
}

impl Config {
    /// What the attention of a text is computed from.
    pub(super) fn attention<'a>(&self, projected: &'a [f32]) -> Attention<'a> {
        Attention {
            projected,
            heads: self.heads,
            size: self.hidden / self.heads,
        }
    }

    fn read(path: &Path) -> Result<Self, Error> {
        let file = Json::read(path)?;
        let model = file.text("model_type")?;
        if model != Some("bert") {
            let model = model.unwrap_or("missing");
            return Err(file.unsupported(&format!("the model_type {model}")));
        }
        for (key, only) in [
            ("position_embedding_type", "absolute"),
            ("embedding_size", ""),
        ] {
            match file.object.get(key) {
                None | Some(Value::Null) => {}
                Some(Value::String(value)) if value == only => {}
                Some(value) => return Err(file.unsupported(&format!("{key} {value}"))),
            }
        }
        for key in ["is_decoder", "add_cross_attention", "quantization_config"] {
            if !matches!(
                file.object.get(key),
                None | Some(Value::Null | Value::Bool(false))
            ) {
                return Err(file.unsupported(key));
            }
        }
        let activation = match file.text("hidden_act")?.unwrap_or("gelu") {
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            other => return Err(file.unsupported(&format!("the hidden_act {other}"))),
        };
        let config = Self {
            hidden: file.number("hidden_size", 1 << 15)?,
            heads: file.number("num_attention_heads", 1 << 10)?,
            layers: file.number("num_hidden_layers", 1 << 10)?,
            intermediate: file.number("intermediate_size", 1 << 16)?,
            activation,
            epsilon: file.epsilon()?,
            vocabulary: file.number("vocab_size", 1 << 24)?,
            positions: file.number("max_position_embeddings", 1 << 20)?,
            kinds: file.number("type_vocab_size", 1 << 10)?,
        };
        if !config.hidden.is_multiple_of(config.heads) {
            let Self { hidden, heads, .. } = config;
            return Err(file.wrong(&format!("{hidden} numbers cannot be {heads} equal heads")));
        }
        Ok(config)
    }
}

impl Recipe {
    /// What the folder says.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::Read`], [`Error::Format`], [`Error::Unsupported`].
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let modules = Modules::read(folder)?;
        let model = folder.join(&modules.transformer);
        require(&model, "config.json", None)?;
        let config = Config::read(&model.join("config.json"))?;
        let hint = if model.join("model.safetensors.index.json").exists() {
            Some("weights in several files are not supported, join them into one")
        } else if model.join("pytorch_model.bin").exists() {
            Some("save the model with safe_serialization=True")
        } else {
            None
        };
        require(&model, "model.safetensors", hint)?;
        require(&model, "tokenizer.json", None)?;
        let (mut max_tokens, mut lowercases) = (config.positions, false);
        if let Some(file) = Json::optional(&model.join("sentence_bert_config.json"))? {
            if file
                .object
                .get("max_seq_length")
                .is_some_and(|value| !value.is_null())
            {
                max_tokens = max_tokens.min(file.number("max_seq_length", usize::MAX)?);
            }
            lowercases = file.is_true("do_lower_case")?;
        }
        Ok(Self {
            config,
            pooling: modules.pooling,
            normalizes: modules.normalizes,
            max_tokens,
            lowercases,
            weights: model.join("model.safetensors"),
            tokenizer: model.join("tokenizer.json"),
        })
    }
}

fn require(folder: &Path, file: &'static str, hint: Option<&'static str>) -> Result<(), Error> {
    if folder.join(file).is_file() {
        return Ok(());
    }
    Err(Error::Missing {
        folder: folder.to_owned(),
        file,
        hint,
    })
}

/// What comes behind the layers.
struct Modules {
    transformer: PathBuf,
    pooling: Pooling,
    normalizes: bool,
}

impl Modules {
    /// A folder without `modules.json` is a plain model: the mean, as it is, unless `1_Pooling` says something else.
    fn read(folder: &Path) -> Result<Self, Error> {
        let mut modules = Self {
            transformer: PathBuf::new(),
            pooling: Pooling::Mean,
            normalizes: false,
        };
        let path = folder.join("modules.json");
        let Some(list) = read_json(&path)? else {
            let pooling = Json::optional(&folder.join("1_Pooling/config.json"))?;
            if let Some(file) = pooling {
                modules.pooling = file.pooling()?;
            }
            return Ok(modules);
        };
        let wrong = |problem: &str| Error::format("modules.json", problem).in_file(&path);
        let list = list.as_array().ok_or_else(|| wrong("it is no list"))?;
        for (at, module) in list.iter().enumerate() {
            let text = |key| module.get(key).and_then(Value::as_str);
            let (Some(kind), Some(place)) = (text("type"), text("path")) else {
                return Err(wrong("a module has no type or no path"));
            };
            let is_inside = !place.contains("..") && Path::new(place).is_relative();
            if !is_inside {
                return Err(wrong("the path of a module leads out of the folder"));
            }
            match (at, kind.rsplit('.').next().unwrap_or(kind)) {
                (0, "Transformer") => modules.transformer = PathBuf::from(place),
                (1, "Pooling") => {
                    let file = folder.join(place).join("config.json");
                    modules.pooling = Json::read(&file)?.pooling()?;
                }
                (2.., "Normalize") => modules.normalizes = true,
                _ => {
                    let feature = format!("the module {kind} in place {at}");
                    return Err(Error::unsupported(feature).in_file(&path));
                }
            }
        }
        if list.len() < 2 {
            return Err(wrong("there is no Transformer with a Pooling behind it"));
        }
        Ok(modules)
    }
}

/// An object in a file.
struct Json {
    path: PathBuf,
    object: Map<String, Value>,
}

impl Json {
    fn read(path: &Path) -> Result<Self, Error> {
        Self::optional(path)?.ok_or_else(|| Error::Read {
            path: path.to_owned(),
            source: ErrorKind::NotFound.into(),
        })
    }

    /// The same; nothing if there is no such file.
    fn optional(path: &Path) -> Result<Option<Self>, Error> {
        match read_json(path)? {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Self {
                path: path.to_owned(),
                object,
            })),
            Some(_) => Err(Error::format(name(path), "it is no object").in_file(path)),
        }
    }

    fn wrong(&self, problem: &str) -> Error {
        Error::format(name(&self.path), problem).in_file(&self.path)
    }

    fn unsupported(&self, feature: &str) -> Error {
        Error::unsupported(feature).in_file(&self.path)
    }

    fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        match self.object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(&format!("{key} is no text"))),
        }
    }

    fn is_true(&self, key: &str) -> Result<bool, Error> {
        match self.object.get(key) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(self.wrong(&format!("{key} is neither true nor false"))),
        }
    }

    fn number(&self, key: &str, most: usize) -> Result<usize, Error> {
        let number = self.object.get(key).and_then(Value::as_u64);
        let number = number.and_then(|number| usize::try_from(number).ok());
        number
            .filter(|number| (1..=most).contains(number))
            .ok_or_else(|| self.wrong(&format!("{key} is no number from 1 to {most}")))
    }

    fn epsilon(&self) -> Result<f32, Error> {
        match self.object.get("layer_norm_eps") {
            None => Ok(1e-12),
            Some(value) => value
                .as_f64()
                .map(|value| value as f32)
                .filter(|value| (0.0..1.0).contains(value))
                .ok_or_else(|| self.wrong("layer_norm_eps is no number from 0 to 1")),
        }
    }

    fn pooling(&self) -> Result<Pooling, Error> {
        let mut modes = Vec::new();
        for key in self.object.keys() {
            if let Some(mode) = key.strip_prefix("pooling_mode_")
                && self.is_true(key)?
            {
                modes.push(mode);
            }
        }
        match modes[..] {
            ["mean_tokens"] => Ok(Pooling::Mean),
            ["cls_token"] => Ok(Pooling::Cls),
            [] => Err(self.wrong("no pooling_mode is true")),
            ref others => Err(self.unsupported(&format!("the pooling {}", others.join(" + ")))),
        }
    }
}

fn name(path: &Path) -> &'static str {
    let known = ["config.json", "modules.json", "sentence_bert_config.json"];
    let name = path.file_name().and_then(|name| name.to_str());
    let found = known.into_iter().find(|known| Some(*known) == name);
    found.unwrap_or("JSON file")
}

fn read_json(path: &Path) -> Result<Option<Value>, Error> {
    let read_error = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_error(error)),
        Ok(metadata) => metadata.len(),
    };
    if bytes > MOST_JSON_BYTES {
        let problem = format!("it has {bytes} bytes, more than {MOST_JSON_BYTES}");
        return Err(Error::format(name(path), problem).in_file(path));
    }
    let file = fs::read(path).map_err(read_error)?;
    serde_json::from_slice(&file)
        .map(Some)
        .map_err(|error| Error::format(name(path), error.to_string()).in_file(path))
}
