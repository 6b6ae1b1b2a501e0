//! The weights of a layer, and what the file calls them.

use std::fs::File;

use inferail_simd::gemm::{Activation, Format, Level, Matrix, Scratch};

use super::Config;
use crate::Error;
use crate::weights::{Header, SafeTensors};

/// The names of tensors, some files have `bert.` in front of each.
#[derive(Debug)]
pub(super) struct Names {
    prefix: &'static str,
}

impl Names {
    pub(super) fn of(header: &Header) -> Self {
        let is_prefixed = header.tensors.keys().any(|name| name.starts_with("bert."));
        Self {
            prefix: if is_prefixed { "bert." } else { "" },
        }
    }

    pub(super) fn embeddings(&self, part: &str) -> String {
        format!("{}embeddings.{part}", self.prefix)
    }

    pub(super) fn word_embeddings(&self) -> String {
        self.embeddings("word_embeddings.weight")
    }

    pub(super) fn position_embeddings(&self) -> String {
        self.embeddings("position_embeddings.weight")
    }

    pub(super) fn type_embeddings(&self) -> String {
        self.embeddings("token_type_embeddings.weight")
    }

    pub(super) fn layer(&self, number: usize) -> String {
        format!("{}encoder.layer.{number}", self.prefix)
    }

    /// Makes sure that places are counted from 0, where the file says how.
    pub(super) fn check_positions(
        &self,
        file: &mut SafeTensors<File>,
        positions: usize,
    ) -> Result<(), Error> {
        let name = self.embeddings("position_ids");
        if !file.header().tensors.contains_key(&name) {
            return Ok(());
        }
        let ids = file.integers(&name, &[1, positions])?;
        if (0..).zip(&ids).all(|(place, id)| place == *id) {
            return Ok(());
        }
        let feature = format!("tensor {name:?} with places that are not counted from 0");
        Err(Error::unsupported(feature).in_file(file.path()))
    }
}

/// Scale and shift of a normalisation.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

impl Norm {
    /// Files that were made from TensorFlow's call the two gamma and beta.
    pub(super) fn read(
        file: &mut SafeTensors<File>,
        name: &str,
        hidden: usize,
    ) -> Result<Self, Error> {
        let gamma = format!("{name}.gamma");
        let (scale, shift) = if file.header().tensors.contains_key(&gamma) {
            (gamma, format!("{name}.beta"))
        } else {
            (format!("{name}.weight"), format!("{name}.bias"))
        };
        Ok(Self {
            scale: file.floats(&scale, &[hidden])?,
            shift: file.floats(&shift, &[hidden])?,
        })
    }
}

/// A product with weights, plus a bias, activated.
#[derive(Debug)]
pub(super) struct Linear {
    matrix: Matrix,
    bias: Vec<f32>,
    activation: Activation,
}

impl Linear {
    /// The tensors of all `names`, one below the other.
    fn read(
        file: &mut SafeTensors<File>,
        names: &[String],
        [width, depth]: [usize; 2],
        format: Format,
        activation: Activation,
    ) -> Result<Self, Error> {
        let (mut weights, mut bias) = (Vec::new(), Vec::new());
        for name in names {
            let mut part = file.floats(&format!("{name}.weight"), &[width, depth])?;
            weights.append(&mut part);
            bias.append(&mut file.floats(&format!("{name}.bias"), &[width])?);
        }
        let matrix = Matrix::new(format, &weights, bias.len(), depth);
        let Some(matrix) = matrix else {
            let feature = format!("weights of [{}, {depth}]", bias.len());
            return Err(Error::unsupported(feature).in_file(file.path()));
        };
        Ok(Self {
            matrix,
            bias,
            activation,
        })
    }

    /// `[rows, depth]` to `[rows, width]`.
    pub(super) fn multiply(
        &self,
        level: Level,
        rows: &[f32],
        scratch: &mut Scratch,
        out: &mut Vec<f32>,
    ) {
        out.resize(rows.len() / self.matrix.depth() * self.matrix.width(), 0.0);
        self.matrix
            .multiply(level, rows, &self.bias, self.activation, scratch, out);
    }
}

/// One layer.
#[derive(Debug)]
pub(super) struct Layer {
    /// Queries, keys and values at once.
    pub(super) projection: Linear,
    pub(super) output: Linear,
    pub(super) after_attention: Norm,
    pub(super) widening: Linear,
    pub(super) narrowing: Linear,
    pub(super) after_widening: Norm,
}

impl Layer {
    pub(super) fn read(
        file: &mut SafeTensors<File>,
        name: &str,
        config: &Config,
        format: Format,
    ) -> Result<Self, Error> {
        let (hidden, wide) = (config.hidden, config.intermediate);
        let projections =
            ["query", "key", "value"].map(|part| format!("{name}.attention.self.{part}"));
        let mut linear = |names: &[String], shape, activation| {
            Linear::read(file, names, shape, format, activation)
        };
        let plain = Activation::None;
        let projection = linear(&projections, [hidden, hidden], plain)?;
        let output = [format!("{name}.attention.output.dense")];
        let output = linear(&output, [hidden, hidden], plain)?;
        let widening = [format!("{name}.intermediate.dense")];
        let widening = linear(&widening, [wide, hidden], config.activation)?;
        let narrowing = [format!("{name}.output.dense")];
        let narrowing = linear(&narrowing, [hidden, wide], plain)?;
        let after_attention = format!("{name}.attention.output.LayerNorm");
        Ok(Self {
            projection,
            output,
            after_attention: Norm::read(file, &after_attention, hidden)?,
            widening,
            narrowing,
            after_widening: Norm::read(file, &format!("{name}.output.LayerNorm"), hidden)?,
        })
    }
}
